import { setImmediate } from 'node:timers/promises';

import {
  UndecodableRecordError,
  type AuditEntry,
  type IndexDeadLetter,
  type LogRecord,
} from '@trailpush/core';
import { EntryMemory, type EntryReader } from '@trailpush/datasets';

/** What the records of one read are to the store. */
export interface Decoded {
  readonly entries: AuditEntry[];
  readonly deadLetters: IndexDeadLetter[];
  nullValues: number;
  /** Of the records as they are encoded. */
  readonly bytes: number;
}

const MICROS_PER_MS = 1000;
const DAY_MS = 86_400_000;
/**
 * How far the time of an event may lie from the broker's: each month has a table, and a producer whose
 * clock is broken must not make one for every month of two centuries.
 */
const MAX_BEHIND_DAYS = 3653;
const MAX_AHEAD_DAYS = 31;

/** Half a millisecond of work; then what else this process does, say storing what was decoded, has its turn. */
const RECORDS_A_TURN = 25;

/**
 * Reads records in order. Bad ones are set aside, as they are for delivery; null values are counted.
 * Resolves to undefined when it was aborted half-way, waiting for a schema.
 */
export async function decode(
  records: readonly LogRecord[],
  by: { reader: EntryReader; maxRecordBytes: number; signal: AbortSignal },
): Promise<Decoded | undefined> {
  const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  const decoded: Decoded = { entries: [], deadLetters: [], nullValues: 0, bytes };
  const memory = new EntryMemory(records.length, bytes);
  for (const [index, record] of records.entries()) {
    if (index > 0 && index % RECORDS_A_TURN === 0) await setImmediate();
    const { key, value } = record;
    if (value === null) {
      decoded.nullValues += 1;
      continue;
    }
    try {
      if (key === null) {
        throw new UndecodableRecordError('missing_key', 'the record has no key, so no account');
      }
      checkSize(value, by.maxRecordBytes);
      while (!by.reader.load(value, key)) {
        await unlessAborted(by.reader.ready(), by.signal);
        if (by.signal.aborted) return undefined;
      }
      const entry = by.reader.entry(memory);
      checkTime(entry, record.timestampMs);
      decoded.entries.push(entry);
    } catch (error) {
      if (!(error instanceof UndecodableRecordError)) throw error;
      const { offset, timestampMs } = record;
      const { reason, message } = error;
      // Copies: the next read takes the memory back, which may come before this is stored.
      const bytes = { key: key && Uint8Array.from(key), value: Uint8Array.from(value) };
      decoded.deadLetters.push({ offset, timestampMs, reason, message, ...bytes });
    }
  }
  return decoded;
}

function checkSize(value: Uint8Array, maxRecordBytes: number): void {
  if (value.length <= maxRecordBytes) return;
  throw new UndecodableRecordError(
    'too_large',
    `the record has ${value.length} bytes, and TRAILPUSH_MAX_RECORD_BYTES allows ${maxRecordBytes}`,
  );
}

function checkTime({ timeMicros }: AuditEntry, brokerMs: number): void {
  const aheadDays = (timeMicros / MICROS_PER_MS - brokerMs) / DAY_MS;
  if (aheadDays <= MAX_AHEAD_DAYS && -aheadDays <= MAX_BEHIND_DAYS) return;
  const distance = `${Math.abs(Math.round(aheadDays))} days ${aheadDays > 0 ? 'after' : 'before'}`;
  throw new UndecodableRecordError(
    'time_out_of_range',
    `the event's action.time is ${distance} it reached the log: correct the producer's clock`,
  );
}

/** Resolves with the work, or when the signal aborts. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stop = () => resolve(undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
