import { inspect } from 'node:util';

import { parseDestination, redactConf } from '@trailpush/destinations';
import { expect, it } from 'vitest';

import { type DestinationHarness, makeObject, put, withPlace } from './suite.ts';

/** Secrets of the conf are seen nowhere. */
export function secrecyContract(harness: DestinationHarness): void {
  it('shows no secret when it is printed, located, redacted or refused', () =>
    withPlace(harness, async ({ conf, parsed }) => {
      const secrets = parsed.secrets.map((secret) => secret.reveal());
      const refusal = messageOf(() =>
        parseDestination(`${conf}${conf.includes('?') ? '&' : '?'}header_Host=x&unknown=1`, {
          allowPrivate: [],
          fileRoot: undefined,
        }),
      );
      for (const text of [inspect(parsed), JSON.stringify(parsed), parsed.location, refusal]) {
        for (const secret of secrets) expect(text).not.toContain(secret);
      }
      for (const secret of secrets) {
        expect(redactConf(conf)).not.toContain(secret);
        expect(redactConf(conf)).not.toContain(encodeURIComponent(secret));
      }
    }));
}

/** Only for servers that can be scripted: a receiver that quotes our secrets back at us. */
export function echoContract(harness: DestinationHarness): void {
  it('shows no secret, control character or flood of a receiver that echoes them', () =>
    withPlace(harness, async (place) => {
      const secrets = place.parsed.secrets.map((secret) => secret.reveal());
      expect(secrets).not.toHaveLength(0);
      const echo = secrets.flatMap((secret) => [
        secret,
        Buffer.from(secret).toString('base64'),
        Buffer.from(secret).toString('hex'),
        encodeURIComponent(secret),
      ]);
      for (const quoted of echo) {
        const body = `<Error><Code>Bad</Code><Message>\u001b[31m\r\n${quoted}\u202e ${'flood '.repeat(2_000)}</Message></Error>`;
        place.faults!.push({ then: { kind: 'answer', status: 400, body } });
        const { message = '' } = await put(place.destination, makeObject());
        expect(message).toContain('REDACTED');
        expect(message).not.toContain(quoted);
        // eslint-disable-next-line no-control-regex -- control characters are what is looked for
        expect(message).not.toMatch(/[\u0000-\u001f\u202e]/);
        expect(message.length).toBeLessThan(400);
      }
    }));
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return inspect(error);
  }
  throw new Error('nothing was thrown');
}
