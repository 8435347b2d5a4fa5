import { describe, expect, it } from 'vitest';
import { idempotencyKey, NAME_CHOICES, objectName, type NameParts } from './object-name.ts';

const PARTS: NameParts = {
  ...{ jobId: 7, contentRevision: 2, topic: 'audit.events', incarnation: 1, partition: 3 },
  ...{ first: 100, last: 199 },
  minTimestampMs: Date.UTC(2026, 6, 4, 23, 59, 59, 999),
  maxTimestampMs: Date.UTC(2026, 6, 5, 0, 0, 29),
};

describe('the name of an object', () => {
  it('is its first and last time and eight hex digits', () => {
    expect(objectName(PARTS, 0)).toMatch(
      /^20260704T235959Z_20260705T000029Z_[0-9a-f]{8}\.log\.gz$/,
    );
  });

  it('never changes from one version to the next', () => {
    // Plans that are stored must keep their names: this one was made by the first version.
    expect(objectName(PARTS, 0)).toBe('20260704T235959Z_20260705T000029Z_dd5e3280.log.gz');
    expect(objectName(PARTS, 7)).toBe('20260704T235959Z_20260705T000029Z_4bde4f9f.log.gz');
    expect(idempotencyKey(PARTS)).toBe('dd5e32808927a8b3b49bb8ade753437e');
  });

  it.each<Partial<NameParts>>([
    { jobId: 8 },
    { contentRevision: 3 },
    { topic: 'audit.event' },
    { incarnation: 2 },
    { partition: 4 },
    { first: 101 },
    { last: 198 },
  ])('differs with %o', (change) => {
    expect(objectName({ ...PARTS, ...change }, 0)).not.toBe(objectName(PARTS, 0));
    expect(idempotencyKey({ ...PARTS, ...change })).not.toBe(idempotencyKey(PARTS));
  });

  it('has as many choices as the digest has room for, all of them different', () => {
    const names = Array.from({ length: NAME_CHOICES }, (_, choice) => objectName(PARTS, choice));
    expect(new Set(names).size).toBe(NAME_CHOICES);
    for (const name of names) expect(name).toMatch(/_[0-9a-f]{8}\.log\.gz$/);
  });

  it('does not put the parts together so that two of them could be mistaken', () => {
    const one = objectName({ ...PARTS, first: 1, last: 23 }, 0);
    expect(objectName({ ...PARTS, first: 12, last: 3 }, 0)).not.toBe(one);
  });
});
