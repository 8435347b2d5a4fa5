import { describe, expect, it } from 'vitest';
import { OffsetOutOfRangeError } from '@trailpush/core';
import {
  boundsOf,
  expectConsistent,
  numbered,
  partitionOf,
  readRest,
  readTo,
  record,
  text,
} from './suite.ts';
import type { Suite } from './suite.ts';

export function readingContract(suite: Suite): void {
  describe('reading', () => {
    it('starts at any offset and sees exactly the rest', async () => {
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      const { end: first } = await boundsOf(log, partition);
      for (let i = 0; i < 5; i += 1) await log.append(numbered('k', 40, i * 40));
      for (const skipped of [0, 1, 39, 40, 97, 199]) {
        const values = (await readRest(log, partition, first + skipped)).map((r) => text(r.value));
        expect(values).toEqual(numbered('k', 200 - skipped, skipped).map((r) => text(r.value)));
      }
    });

    it('lets two readers of one partition go their own ways', async () => {
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      await log.append(numbered('k', 100));
      const { start, end } = await boundsOf(log, partition);
      const ahead = log.openReader(partition, start);
      const behind = log.openReader(partition, start);
      const first = await readTo(ahead, start, end);
      await log.append(numbered('k', 10, 100));
      const rest = await readTo(ahead, end, end + 10);
      const late = await readTo(behind, start, end + 10);
      expect([...first, ...rest].map((r) => r.offset)).toEqual(late.map((r) => r.offset));
      expect([...first, ...rest].map((r) => text(r.value))).toEqual(late.map((r) => text(r.value)));
    });

    it('hands out the values of many reads as they were appended', async () => {
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      const { end: position } = await boundsOf(log, partition);
      const values = Array.from({ length: 40 }, (_, i) => Buffer.alloc(50_000, `${i} `));
      for (const value of values) await log.append([{ key: 'k', value }]);
      const found = await readRest(log, partition, position);
      expect(found).toHaveLength(values.length);
      expect(found.every((r, i) => Buffer.compare(r.value!, values[i]!) === 0)).toBe(true);
    });

    it('delivers what is appended while a read waits at the end', async () => {
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      const { end } = await boundsOf(log, partition);
      const reader = log.openReader(partition, end);
      for (let i = 0; i < 3; i += 1) {
        const reading = readTo(reader, end + i, end + i + 1);
        await log.append([record('k', `late ${i}`)]);
        expect((await reading).map((r) => text(r.value))).toEqual([`late ${i}`]);
      }
    });
  });
}

export function idleAndEndsContract(suite: Suite): void {
  describe('idle logs and ends', () => {
    it('tells start and end of every partition', async () => {
      const log = await suite.open();
      const bounds = await log.bounds();
      expect(bounds.length).toBeGreaterThan(1);
      expect(bounds.map(({ partition }) => partition)).toEqual([...bounds.keys()]);
      const partition = await partitionOf(log, 'k');
      await log.append(numbered('k', 9));
      expect(await log.bounds()).toEqual(
        bounds.map((empty) => (empty.partition === partition ? { ...empty, end: 10 } : empty)),
      );
    });

    it('answers a read at the end about once a second, with the bounds', async () => {
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      await log.append(numbered('k', 4));
      const reader = log.openReader(partition, 5);
      // The first read may have to connect; the port's second is that of a reader at work.
      expectConsistent(await reader.read(), 5);
      const begun = Date.now();
      const result = await reader.read();
      expect(Date.now() - begun).toBeLessThan(2_000);
      expect(result).toEqual({ partition, start: 0, end: 5, nextOffset: 5, records: [] });
    });

    it('refuses a position beyond the end, with the bounds', async () => {
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      const error: unknown = await log
        .openReader(partition, 11)
        .read()
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(OffsetOutOfRangeError);
      expect(error).toMatchObject({ partition, offset: 11, start: 0, end: 1 });
    });

    it('refuses a position below the start, with the bounds, and reads on at the start', async ({
      skip,
    }) => {
      const forgetAll = suite.topic().forgetAll;
      if (forgetAll === undefined) return skip('the harness cannot make this log forget');
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      await log.append(numbered('k', 4));
      await forgetAll();
      await log.append([record('k', 'kept')]);
      const error: unknown = await log
        .openReader(partition, 2)
        .read()
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(OffsetOutOfRangeError);
      expect(error).toMatchObject({ partition, offset: 2, start: 5, end: 6 });
      expect(await boundsOf(log, partition)).toEqual({ partition, start: 5, end: 6 });
      expect((await readRest(log, partition, 5)).map((r) => text(r.value))).toEqual(['kept']);
    });
  });
}
