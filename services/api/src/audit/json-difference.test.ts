import fc from 'fast-check';
import { applyPatch, type Operation } from 'rfc6902';
import { describe, expect, it } from 'vitest';

import { patchOf } from './json-difference.ts';

interface Change {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string;
  readonly value?: unknown;
  readonly oldValue?: unknown;
}

function changes(older: string | null, newer: string | null): Change[] {
  return JSON.parse(patchOf(older, newer)) as Change[];
}

/** As RFC 6902 says; the library cannot replace the whole document. */
function applied(document: unknown, patch: readonly Change[]): unknown {
  let result = structuredClone(document);
  for (const change of structuredClone(patch)) {
    if (change.path === '') result = change.value;
    else expect(applyPatch(result, [change as Operation])).toEqual([null]);
  }
  return result;
}

/** What undoes a patch, made of nothing but the patch. */
function reversed(patch: readonly Change[]): Change[] {
  return patch.toReversed().map((change): Change => {
    const { op, path, value, oldValue } = change;
    if (op === 'add') return { op: 'remove', path, oldValue: value };
    if (op === 'remove') return { op: 'add', path, value: oldValue };
    return { op: 'replace', path, value: oldValue, oldValue: value };
  });
}

const key = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '', 'a/b', '~', '~1', '0', 'toString', 'hasOwnProperty', 'length'),
  fc.constantFrom('__proto__', 'constructor', 'prototype'),
);
const body: fc.Arbitrary<unknown> = fc.letrec<{ body: unknown }>((tie) => ({
  body: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, 0, 1.5, 'x', 'y', '12345678901234567890'),
    fc.array(tie('body'), { maxLength: 5 }),
    fc.dictionary(key, tie('body'), { maxKeys: 5 }),
  ),
})).body;
const text = body.map((value) => JSON.stringify(value));

describe('a difference', () => {
  it('makes the newer of the older, and undone the older of the newer', () => {
    fc.assert(
      fc.property(text, text, (older, newer) => {
        const patch = changes(older, newer);
        const [before, after] = [JSON.parse(older) as unknown, JSON.parse(newer) as unknown];
        expect(applied(before, patch)).toEqual(after);
        expect(applied(after, reversed(patch))).toEqual(before);
      }),
      { numRuns: 1000 },
    );
  });

  it('is small where little changed, and has what was there before', () => {
    const older = '{"name":"a","ttl":60,"tags":["x","y","z"],"old":{"n":1}}';
    const newer = '{"name":"b","ttl":60,"tags":["y","z","w"],"new":null}';
    expect(changes(older, newer)).toEqual([
      { op: 'remove', path: '/old', oldValue: { n: 1 } },
      { op: 'add', path: '/new', value: null },
      { op: 'replace', path: '/name', value: 'b', oldValue: 'a' },
      { op: 'remove', path: '/tags/0', oldValue: 'x' },
      { op: 'add', path: '/tags/2', value: 'w' },
    ]);
  });

  it('is everything where there was nothing, or is nothing left', () => {
    expect(changes(null, '{"a":1}')).toEqual([{ op: 'add', path: '', value: { a: 1 } }]);
    expect(changes('[1]', null)).toEqual([{ op: 'remove', path: '', oldValue: [1] }]);
    expect(changes(null, null)).toEqual([]);
    expect(changes('{"a":1,"b":2}', '{ "b":2, "a":1.0 }')).toEqual([]);
  });

  it.each([
    ['{"id":12345678901234567890}', '{"id":12345678901234567891}'],
    ['{"n":1E400}', '{"n":2e400}'],
    ['{"__proto__":{"a":1}}', '{"__proto__":{"a":2}}'],
  ])('of %s and %s has them as they were written', (older, newer) => {
    expect(patchOf(older, newer)).toBe(
      `[{"op":"replace","path":"","value":${newer},"oldValue":${older}}]`,
    );
  });

  it('replaces long arrays as a whole', () => {
    const older = Array.from({ length: 5000 }, (_, index) => index);
    const [first, second] = [{ list: older }, { list: older.toReversed() }];
    expect(changes(JSON.stringify(first), JSON.stringify(second))).toEqual([
      { op: 'replace', path: '/list', value: second.list, oldValue: first.list },
    ]);
  });
});
