import { UndecodableRecordError, type EventReader, type LineWriter, type LogRecord } from '@trailpush/core';
import type { Content } from './content.ts';
import type { FencedProgress } from './fenced-progress.ts';
import type { Shared } from './shared.ts';
import type { Lane } from './track.ts';

/** Something that wants records of one account as lines. */
export interface Taker {
  readonly content: Content;
  wants(lane: Lane, offset: number): boolean;
  take(record: LogRecord, line: Buffer, length: number): void;
}

/** Account key in UTF-8 to those who want its records. */
export type Routes = ReadonlyMap<string, readonly Taker[]>;

const FIRST_LINE_BYTES = 64 * 1024;
let line = Buffer.allocUnsafeSlow(FIRST_LINE_BYTES);

/**
 * The hot path: routes each record by its key before decoding it, checks it once, and writes one line
 * for all who want the same bytes. Records that nobody wants cost a map look-up. Bad ones become dead
 * letters of `progress`; the caller makes them durable before anything passes them.
 */
export async function sweep(
  records: readonly LogRecord[],
  lane: Lane,
  routes: Routes,
  progress: FencedProgress,
  shared: Shared,
): Promise<void> {
  for (const record of records) {
    if (record.value === null) {
      if (lane === 'live') shared.telemetry.nullValue();
      continue;
    }
    if (record.key === null) {
      if (lane === 'live') setAside(record, 'missing_key', 'the record has no key, so no account', progress, shared);
      continue;
    }
    const takers = routes.get(keyText(record.key));
    if (!takers || !takers.some((taker) => taker.wants(lane, record.offset))) continue;
    try {
      checkSize(record.value, shared);
      for (let missing = load(record, lane, takers); missing; missing = load(record, lane, takers)) {
        await missing.ready();
      }
      offer(record, lane, takers);
    } catch (error) {
      if (!(error instanceof UndecodableRecordError)) throw error;
      setAside(record, error.reason, error.message, progress, shared);
    }
  }
}

function keyText(key: Uint8Array): string {
  return Buffer.isBuffer(key) ? key.toString() : Buffer.from(key.buffer, key.byteOffset, key.length).toString();
}

function checkSize(value: Uint8Array, shared: Shared): void {
  if (value.length <= shared.maxRecordBytes) return;
  throw new UndecodableRecordError(
    'too_large',
    `the record has ${value.length} bytes, and TRAILPUSH_MAX_RECORD_BYTES allows ${shared.maxRecordBytes}`,
  );
}

/** Points the takers' readers at the record. Returns a reader that must first fetch the schema. */
function load(record: LogRecord, lane: Lane, takers: readonly Taker[]): EventReader | undefined {
  const { key, value, offset } = record;
  if (key === null || value === null) return undefined;
  let loaded: EventReader | undefined;
  for (const taker of takers) {
    const { reader } = taker.content;
    if (reader === loaded || !taker.wants(lane, offset)) continue;
    if (!reader.load(value, key)) return reader;
    loaded = reader;
  }
  return undefined;
}

/** Offers the loaded record to its takers; a line is written once for all who want the same bytes. */
function offer(record: LogRecord, lane: Lane, takers: readonly Taker[]): void {
  let writtenBy: LineWriter | undefined;
  let length = 0;
  for (const taker of takers) {
    const { filter, writeLine } = taker.content;
    if (!taker.wants(lane, record.offset) || (filter && !filter())) continue;
    if (writeLine !== writtenBy) {
      length = write(writeLine);
      writtenBy = writeLine;
    }
    taker.take(record, line, length);
  }
}

function write(writeLine: LineWriter): number {
  for (;;) {
    const end = writeLine(line, 0);
    if (end >= 0) return end;
    line = Buffer.allocUnsafeSlow(line.length * 2);
  }
}

function setAside(
  record: LogRecord,
  reason: string,
  message: string,
  progress: FencedProgress,
  shared: Shared,
): void {
  const { topic, partition } = progress.ownership;
  const { offset, timestampMs, key, value } = record;
  const accountId = key === null ? null : keyText(key);
  progress.addDeadLetter({ topic, partition, offset, jobId: null, accountId, reason, message, timestampMs, key, value });
  shared.telemetry.deadLetter(reason, { partition, offset, message });
}
