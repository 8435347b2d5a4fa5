import { beforeAll, describe, expect, it } from 'vitest';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { MemoryTopic } from '@trailpush/test/kit/memory-log.ts';
import { offsetAt } from './offset-at.ts';

describe('the first offset at a time', () => {
  const clock = new FakeClock();
  // Offsets have gaps, and a read returns few records.
  const topic = new MemoryTopic({ clock, partitions: 1, maxReadRecords: 3, offsetGap: () => 2 });
  const log = topic.open(clock);
  const at: { offset: number; timestampMs: number }[] = [];
  beforeAll(async () => {
    for (let i = 0; i < 40; i++) {
      const [{ offset } = { offset: 0 }] = topic.append([{ key: 'k', value: Buffer.from('v') }]);
      at.push({ offset, timestampMs: clock.now() });
      if (i % 3 === 0) await clock.advance(1000);
    }
  });
  const find = (timeMs: number) => offsetAt(log, topic.bounds()[0]!, timeMs);

  it('is that of the first record which is not earlier', async () => {
    for (const { timestampMs } of at) {
      for (const timeMs of [timestampMs - 1, timestampMs, timestampMs + 1]) {
        const expected = at.find((record) => record.timestampMs >= timeMs)?.offset;
        const found = await find(timeMs);
        if (expected === undefined) expect(found).toBe(topic.bounds()[0]!.end);
        // Offsets between two records belong to neither.
        else expect(at.find(({ offset }) => offset >= found)?.offset).toBe(expected);
      }
    }
  });

  it('is the start for a time before all, and the end of an empty partition', async () => {
    expect(await find(0)).toBeLessThanOrEqual(at[0]!.offset);
    expect(await offsetAt(log, { partition: 0, start: 7, end: 7 }, 0)).toBe(7);
  });
});
