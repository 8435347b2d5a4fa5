import { expect, it } from 'vitest';

import { digestKey, isOwnFile, parseDigestKey } from './digest-place.ts';

it.each(['', 'logs', 'a/b'])('is found again by its name below %j', (folder) => {
  const key = digestKey(folder, { jobId: 7, sequence: 12, toMs: 1_700_003_600_000 });
  expect(key).toBe(
    `${folder === '' ? '' : `${folder}/`}_trailpush/digests/7/0000000012_20231114T231320Z.json`,
  );
  expect(parseDigestKey(key)).toEqual({
    ...{ folder, jobId: 7, sequence: 12, toMs: 1_700_003_600_000 },
  });
});

it('is told from objects, and from what else Trailpush writes', () => {
  expect(parseDigestKey('logs/20231114T231320Z_20231114T231320Z_0a1b2c3d.log.gz')).toBeUndefined();
  expect(parseDigestKey('logs/_trailpush/digests/7/1.json')).toBeUndefined();
  expect(isOwnFile('logs/_trailpush/test.txt.gz')).toBe(true);
  expect(isOwnFile('logs/20231114/ownership-challenge.txt')).toBe(true);
  expect(isOwnFile('logs/_trailpush/other.txt.gz')).toBe(false);
});
