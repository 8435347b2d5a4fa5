import { describe, expect, it } from 'vitest';
import { LogClosedError } from '@trailpush/core';
import { boundsOf, numbered, partitionOf, readAll, readTo, record, text } from './suite.ts';
import type { Suite } from './suite.ts';

export function closingContract(suite: Suite): void {
  describe('closing', () => {
    it('ends a waiting read of the log that closes with LogClosedError', async () => {
      const log = await suite.open();
      const reader = log.openReader(0, 0);
      await reader.read();
      const waiting = expect(reader.read()).rejects.toThrow(LogClosedError);
      await log.close();
      await waiting;
    });

    it('ends a waiting read of the reader that closes, and no other', async () => {
      const log = await suite.open();
      const partition = await partitionOf(log, 'k');
      const { end } = await boundsOf(log, partition);
      const closing = log.openReader(partition, end);
      const staying = log.openReader(partition, end);
      await closing.read();
      const waiting = expect(closing.read()).rejects.toThrow(LogClosedError);
      await closing.close();
      await waiting;
      await expect(closing.read()).rejects.toThrow(LogClosedError);
      await log.append([record('k', 'still read')]);
      const found = await readTo(staying, end, end + 1);
      expect(found.map((r) => text(r.value))).toEqual(['still read']);
    });

    it('refuses every call after it, and may be called again', async () => {
      const log = await suite.open();
      const reader = log.openReader(0, 0);
      await log.close();
      await log.close();
      await reader.close();
      await expect(reader.read()).rejects.toThrow(LogClosedError);
      await expect(log.append([record('k', 'late')])).rejects.toThrow(LogClosedError);
      await expect(log.bounds()).rejects.toThrow(LogClosedError);
      await expect(log.joinGroup('late', () => undefined)).rejects.toThrow(LogClosedError);
    });

    it('keeps what was acknowledged while it closed', async () => {
      const log = await suite.open();
      const acknowledged: string[] = [];
      const appends = Array.from({ length: 20 }, async (_, i) => {
        const records = numbered(`key-${i}`, 5);
        try {
          await log.append(records);
        } catch (error) {
          expect(error).toBeInstanceOf(LogClosedError);
          return;
        }
        acknowledged.push(...records.map(({ value }) => text(value)!));
      });
      await log.close();
      await Promise.all(appends);
      const found = (await readAll(await suite.open())).flatMap(({ records }) => records);
      const values = new Set(found.map((r) => text(r.value)));
      expect(acknowledged.filter((value) => !values.has(value))).toEqual([]);
      expect(found).toHaveLength(values.size);
    });

    it('is well while nothing is wrong', async () => {
      const log = await suite.open();
      await log.append([record('k', 'v')]);
      expect(log.health()).toBeUndefined();
    });
  });
}
