import { InvalidDestinationError } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import cases from '../../../../test/cases/bad-destinations.json' with { type: 'json' };
import { parseDestination } from './registry.ts';

const policy = { allowPrivate: [], fileRoot: '/data/out' };

interface Case {
  readonly category: string;
  readonly conf: string;
  readonly accept?: boolean;
  /** What the refusal says. */
  readonly refuse?: string;
}

/** Confs that an attacker or a tired person would send; some are edges that must be accepted. */
describe.each(Object.entries(Object.groupBy(cases as readonly Case[], ({ category }) => category)))(
  'bad destinations: %s',
  (_category, entries = []) => {
    for (const { conf, accept, refuse } of entries) {
      it(`${accept === true ? 'accepts' : 'refuses'} ${JSON.stringify(conf)}`, () => {
        if (accept === true) {
          expect(parseDestination(conf, policy).location).not.toBe('');
          return;
        }
        const parse = (): unknown => parseDestination(conf, policy);
        expect(parse).toThrow(InvalidDestinationError);
        expect(parse).toThrow(/^invalid destination_conf: /);
        expect(parse).toThrow(refuse ?? 'each case says what it is refused for');
      });
    }
  },
);

describe('parseDestination', () => {
  it('refuses a path whose keys could be longer than 1,024 bytes', () => {
    const conf = `s3://bucket/${'a'.repeat(1_100)}?region=us-east-1&access-key-id=A&secret-access-key=S`;
    expect(() => parseDestination(conf, policy)).toThrow('longer than 900 bytes');
  });

  it('refuses a conf of more than 4,096 characters', () => {
    const conf = `https://example.com/${'a/'.repeat(2_050)}`;
    expect(() => parseDestination(conf, policy)).toThrow('more than the 4096 allowed');
  });

  it('refuses the mask of a stored secret', () => {
    const conf = 's3://bucket?region=us-east-1&access-key-id=A&secret-access-key=REDACTED';
    expect(() => parseDestination(conf, policy)).toThrow('secret-access-key is REDACTED');
  });

  it('leaves no prototype touched by a header of that name', () => {
    parseDestination('https://example.com/?header___proto__=x', policy);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});
