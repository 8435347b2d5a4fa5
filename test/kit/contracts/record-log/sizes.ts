import { describe, expect, it } from 'vitest';
import { RecordTooLargeError } from '@trailpush/core';
import { boundsOf, numbered, partitionOf, readAll, readRest, record, text } from './suite.ts';
import type { Suite } from './suite.ts';

export function sizesContract(suite: Suite): void {
  describe('sizes', () => {
    it('appends nothing for an empty call', async () => {
      const log = await suite.open();
      await log.append([]);
      expect((await log.bounds()).every(({ start, end }) => start === end)).toBe(true);
    });

    it('keeps an empty value apart from none, and keys of any script', async () => {
      const log = await suite.open();
      await log.append([record('ключ-鍵-🔑', '')]);
      const [found] = (await readAll(log)).flatMap(({ records }) => records);
      expect(text(found!.key)).toBe('ключ-鍵-🔑');
      expect(found!.value).not.toBeNull();
      expect(found!.value).toHaveLength(0);
    });

    it('takes a record of 2 MB between small ones', async () => {
      const log = await suite.open();
      const large = Buffer.alloc(2_000_000, 'large record ');
      await log.append([record('k', 'before'), { key: 'k', value: large }, record('k', 'after')]);
      const found = (await readAll(log)).flatMap(({ records }) => records);
      expect(found.map((r) => r.value!.byteLength)).toEqual([6, 2_000_000, 5]);
      expect(Buffer.compare(found[1]!.value!, large)).toBe(0);
    });

    it('takes a record of the largest size', async () => {
      const log = await suite.open();
      await log.append([{ key: 'k', value: Buffer.alloc(suite.harness.maxRecordBytes, 1) }]);
      const found = (await readAll(log)).flatMap(({ records }) => records);
      expect(found.map((r) => r.value!.byteLength)).toEqual([suite.harness.maxRecordBytes]);
    });

    it('refuses a record that is too large, by its place, and appends nothing of the call', async () => {
      const log = await suite.open();
      const tooLarge = Buffer.alloc(Math.ceil(suite.harness.maxRecordBytes * 1.1), 1);
      const call = [...numbered('a', 3), { key: 'b', value: tooLarge }, ...numbered('c', 3)];
      const error: unknown = await log.append(call).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(RecordTooLargeError);
      expect((error as RecordTooLargeError).index).toBe(3);
      await log.append([record('after', 'it')]);
      const found = (await readAll(log)).flatMap(({ records }) => records);
      expect(found.map((r) => text(r.value))).toEqual(['it']);
    });
  });
}

export function rareRecordsContract(suite: Suite): void {
  describe('records of other producers', () => {
    it('hands out a null key and a null value as null', async ({ skip }) => {
      const appendRaw = suite.topic().appendRaw;
      if (appendRaw === undefined) return skip('this log only has records of its own port');
      const log = await suite.open();
      await appendRaw({ partition: 1, key: null, value: Buffer.from('no key') });
      await appendRaw({ partition: 1, key: Buffer.from('no value'), value: null });
      const found = await readRest(log, 1, 0);
      expect(found.map((r) => [text(r.key), text(r.value)])).toEqual([
        [null, 'no key'],
        ['no value', null],
      ]);
    });

    it('reads over offsets without a record, also when they are the last ones', async ({
      skip,
    }) => {
      const leaveGap = suite.topic().leaveGap;
      if (leaveGap === undefined) return skip('the offsets of this log have no gaps');
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      await leaveGap(partition);
      await log.append(numbered('k', 2));
      await leaveGap(partition);
      const { end } = await boundsOf(log, partition);
      // readRest ends only when `nextOffset` has reached the end, which no record does here.
      const values = (await readRest(log, partition, 0)).map((r) => text(r.value));
      expect(values).toContain('where is it');
      expect(values.slice(-2)).toEqual(['k#0', 'k#1']);
      expect(end).toBeGreaterThan(values.length);
    });
  });
}
