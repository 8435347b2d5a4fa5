import type { LogRecord, RecordLog } from '@trailpush/core';
import { text } from '../contracts/record-log/suite.ts';

/** Appends single records of `writers` keys until told to stop, again and again where it fails. */
export function startWriters(log: RecordLog, writers: number) {
  const acknowledged: string[] = [];
  const attempted: string[] = [];
  const failures: unknown[] = [];
  let stopping = false;
  const running = Array.from({ length: writers }, async (_, writer) => {
    for (let i = 0; !stopping; i += 1) {
      const value = `writer-${writer}#${i}`;
      attempted.push(value);
      try {
        await log.append([{ key: `writer-${writer}`, value: Buffer.from(value) }]);
        acknowledged.push(value);
      } catch (error) {
        failures.push(error);
      }
    }
  });
  const stop = async (): Promise<void> => {
    stopping = true;
    await Promise.all(running);
  };
  return { acknowledged, attempted, failures, stop };
}

/** Keeps reading every partition into a list, without end. */
export function startReaders(log: RecordLog, partitions: number) {
  const records = Array.from({ length: partitions }, (): LogRecord[] => []);
  for (const [partition, found] of records.entries()) {
    const reader = log.openReader(partition, 0);
    void (async () => {
      for (;;) found.push(...(await reader.read()).records);
    })().catch(() => undefined);
  }
  return { records, count: () => records.reduce((sum, found) => sum + found.length, 0) };
}

export const valuesOf = (records: readonly LogRecord[]): (string | null)[] =>
  records.map((record) => text(record.value));
