import { describe, expect, it } from 'vitest';
import { numbered, partitionOf, readAll, record, text } from './suite.ts';
import type { Suite } from './suite.ts';

/** Hashes of Kafka's own test of its default partitioner, so that every adapter places keys alike. */
const MURMUR2 = new Map([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['abc', 479470107],
]);

export function appendingContract(suite: Suite): void {
  describe('appending', () => {
    it('keeps the order of each key, in one partition a key', async () => {
      const log = await suite.open();
      const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
      for (const from of [0, 50, 100]) {
        const records = keys.map((key) => numbered(key, 50, from));
        await log.append(records[0]!.flatMap((_, i) => records.map((of) => of[i]!)));
      }
      const all = await readAll(log);
      for (const key of keys) {
        const holding = all.filter(({ records }) => records.some((r) => text(r.key) === key));
        expect(holding).toHaveLength(1);
        const values = holding[0]!.records.filter((r) => text(r.key) === key);
        expect(values.map((r) => text(r.value))).toEqual(
          numbered(key, 150).map(({ value }) => text(value)),
        );
      }
    });

    it('places a key where the default partitioner of Kafka places it', async () => {
      const log = await suite.open();
      const partitions = (await log.bounds()).length;
      for (const [key, hash] of MURMUR2) {
        expect(await partitionOf(log, key)).toBe((hash & 0x7fffffff) % partitions);
      }
    });

    it('keeps what was acknowledged when the log is opened again', async () => {
      const first = await suite.open();
      await first.append(numbered('kept', 500));
      await first.close();
      const again = await suite.open();
      await again.append(numbered('kept', 500, 500));
      const values = (await readAll(again)).flatMap(({ records }) => records);
      expect(values.map((r) => text(r.value))).toEqual(
        numbered('kept', 1000).map(({ value }) => text(value)),
      );
    });

    it('loses and repeats nothing of many appends at once', async () => {
      const log = await suite.open();
      const appends = Array.from({ length: 60 }, (_, i) => numbered(`key-${i}`, 20));
      await Promise.all(appends.map((records) => log.append(records)));
      const found = (await readAll(log)).flatMap(({ records }) => records);
      expect(found.map((r) => text(r.value)).toSorted()).toEqual(
        appends.flatMap((records) => records.map(({ value }) => text(value))).toSorted(),
      );
    });

    it('stamps records with the time of the append, never running backwards', async () => {
      const log = await suite.open();
      const before = Date.now();
      for (let i = 0; i < 5; i += 1) await log.append([record('stamped', String(i))]);
      const stamps = (await readAll(log)).flatMap(({ records }) =>
        records.map((r) => r.timestampMs),
      );
      expect(stamps).toHaveLength(5);
      expect(stamps.toSorted((a, b) => a - b)).toEqual(stamps);
      expect(Math.abs(stamps[0]! - before)).toBeLessThan(60_000);
    });
  });
}
