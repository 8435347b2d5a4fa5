/**
 * Appends numbered records to the embedded log in the folder of its argument until it is killed, from
 * several writers at once, and prints `<writer> <number>` for the last number of every acknowledged
 * call. Started again, each writer goes on after the last number that the log holds.
 */
import { writeSync } from 'node:fs';
import type { RecordLog } from '@trailpush/core';
import { openEmbeddedLog } from '@trailpush/log';
import { systemClock } from '@trailpush/runtime';
import { createRecordingLogger } from '../recording-logger.ts';

const WRITERS = ['ada', 'bob', 'cyd', 'dan', 'eve'];

async function lastNumbers(log: RecordLog): Promise<Map<string, number>> {
  const last = new Map<string, number>();
  for (const { partition, start, end } of await log.bounds()) {
    const reader = log.openReader(partition, start);
    for (let at = start; at < end;) {
      const { records, nextOffset } = await reader.read();
      for (const { key, value } of records) {
        last.set(String(key), Number(String(value).split(' ', 1)));
      }
      at = nextOffset;
    }
    await reader.close();
  }
  return last;
}

async function write(log: RecordLog, writer: string, first: number): Promise<never> {
  for (let next = first; ;) {
    // From one record to several transactions in one call.
    const count = 1 + ((next * 7919) % 300);
    const padding = 'x'.repeat((next * 104_729) % 20_000);
    const records = Array.from({ length: count }, (_, i) => ({
      key: writer,
      value: Buffer.from(`${next + i} ${padding}`),
    }));
    await log.append(records);
    next += count;
    // Synchronous: what is printed was acknowledged, and is printed before the process can be killed.
    writeSync(1, `${writer} ${next - 1}\n`);
  }
}

const dir = process.argv[2];
if (dir === undefined) throw new Error('usage: append-until-killed.ts <data folder>');
const log = await openEmbeddedLog({
  dir,
  clock: systemClock,
  logger: createRecordingLogger().logger,
});
const last = await lastNumbers(log);
await Promise.all(WRITERS.map((writer) => write(log, writer, (last.get(writer) ?? -1) + 1)));
