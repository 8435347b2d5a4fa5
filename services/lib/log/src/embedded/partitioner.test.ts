import { describe, expect, it } from 'vitest';
import { murmur2, partitionOfKey } from './partitioner.ts';

describe('the partitioner', () => {
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('hashes %s as Kafka does', (key, hash) => {
    expect(murmur2(Buffer.from(key))).toBe(hash);
    expect(partitionOfKey(Buffer.from(key), 7)).toBe((hash & 0x7fffffff) % 7);
  });

  it('spreads account ids over all partitions', () => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i += 1) {
      const key = Buffer.from(i.toString(16).padStart(32, '0'));
      counts[partitionOfKey(key, 4)]! += 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(800);
  });
});
