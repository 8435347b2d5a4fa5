import {
  UndecodableRecordError,
  type EventReader,
  type LineWriter,
  type LogRecord,
} from '@trailpush/core';
import { isAborted, unlessAborted } from './abort.ts';
import type { Content } from './content.ts';
import type { FencedProgress } from './fenced-progress.ts';
import type { Shared } from './shared.ts';
import type { Lane } from './track-owner.ts';

/** Something that wants records of one account as lines. */
export interface Taker {
  readonly content: Content;
  /** `isSetAside`: the record is known as a dead letter. */
  wants(lane: Lane, offset: number, isSetAside: boolean): boolean;
  take(record: LogRecord, line: Buffer, length: number): void;
}

/** Account id, in UTF-8 the key of its records, to those who want its records. */
export type Routes = ReadonlyMap<string, readonly Taker[]>;

const NO_KEY = 'the record has no key, so no account';
const FIRST_LINE_BYTES = 64 * 1024;
let line = Buffer.allocUnsafeSlow(FIRST_LINE_BYTES);

/** How one lane goes through what it has read. */
export interface Sweep {
  readonly lane: Lane;
  readonly routes: Routes;
  readonly progress: FencedProgress;
  readonly shared: Shared;
  readonly signal: AbortSignal;
  /** Offsets that were set aside before: they stay so, even if they could be read by now. */
  readonly setAside: ReadonlySet<number>;
  /** Called before the record at `offset` while memory is full; the sweep goes on when it resolves. */
  makeRoom(offset: number): Promise<void>;
}

/**
 * The hot path: routes each record by its key before decoding it, checks it once, and writes one line
 * for all who want the same bytes. Records that nobody wants cost a map look-up. Bad ones become dead
 * letters of `progress`; the caller makes them durable before anything passes them.
 * Returns false when it was aborted half-way: the caller must not take the records for looked at.
 */
export async function sweep(records: readonly LogRecord[], at: Sweep): Promise<boolean> {
  const { lane, routes, shared, signal } = at;
  const { budget } = shared;
  for (const record of records) {
    if (budget.isFull) await at.makeRoom(record.offset);
    if (isAborted(signal)) return false;
    if (record.value === null) {
      if (lane === 'live') shared.telemetry.nullValue();
      continue;
    }
    if (!record.key?.length) {
      const isNew = lane === 'live' && !at.setAside.has(record.offset);
      if (isNew) setAside(record, 'missing_key', NO_KEY, at);
      continue;
    }
    const takers = routes.get(keyText(record.key));
    if (!takers || !isWanted(record, at, takers)) continue;
    try {
      checkSize(record.value, shared);
      for (let missing = load(record, at, takers); missing; missing = load(record, at, takers)) {
        // A schema registry that is down is waited for, but not by a partition that is given up.
        await unlessAborted(missing.ready(), signal);
        if (isAborted(signal)) return false;
      }
      offer(record, at, takers);
    } catch (error) {
      if (!(error instanceof UndecodableRecordError)) throw error;
      setAside(record, error.reason, error.message, at);
    }
  }
  return true;
}

function isWanted(
  { offset }: LogRecord,
  { lane, setAside }: Sweep,
  takers: readonly Taker[],
): boolean {
  const isSetAside = setAside.size > 0 && setAside.has(offset);
  for (const taker of takers) if (taker.wants(lane, offset, isSetAside)) return true;
  return false;
}

function keyText(key: Uint8Array): string {
  return Buffer.isBuffer(key)
    ? key.toString()
    : Buffer.from(key.buffer, key.byteOffset, key.length).toString();
}

function checkSize(value: Uint8Array, shared: Shared): void {
  if (value.length <= shared.maxRecordBytes) return;
  throw new UndecodableRecordError(
    'too_large',
    `the record has ${value.length} bytes, and TRAILPUSH_MAX_RECORD_BYTES allows ${shared.maxRecordBytes}`,
  );
}

/** Points the takers' readers at the record. Returns a reader that must first fetch the schema. */
function load(
  record: LogRecord,
  { lane, setAside }: Sweep,
  takers: readonly Taker[],
): EventReader | undefined {
  const { key, value, offset } = record;
  if (key === null || value === null) return undefined;
  const isSetAside = setAside.size > 0 && setAside.has(offset);
  let loaded: EventReader | undefined;
  for (const taker of takers) {
    if (!taker.wants(lane, offset, isSetAside)) continue;
    const { reader } = taker.content;
    if (reader === loaded) continue;
    if (!reader.load(value, key)) return reader;
    loaded = reader;
  }
  return undefined;
}

/** Offers the loaded record to its takers; a line is written once for all who want the same bytes. */
function offer(record: LogRecord, { lane, setAside }: Sweep, takers: readonly Taker[]): void {
  const isSetAside = setAside.size > 0 && setAside.has(record.offset);
  let writtenBy: LineWriter | undefined;
  let length = 0;
  for (const taker of takers) {
    if (!taker.wants(lane, record.offset, isSetAside)) continue;
    const { reader, filter, writeLine } = taker.content;
    if (!reader.isOfAccount) continue;
    if (filter && !filter()) continue;
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
  { progress, shared }: Sweep,
): void {
  const { topic, partition } = progress.ownership;
  const { offset, timestampMs, key, value } = record;
  const accountId = key?.length ? keyText(key) : null;
  const at = { topic, partition, offset, timestampMs };
  // Copies: the reader takes the record's memory back before the letter is stored.
  const bytes = { key: copyOf(key), value: copyOf(value) };
  progress.addDeadLetter({ ...at, jobId: null, accountId, reason, message, ...bytes });
  shared.telemetry.deadLetter(reason, { partition, offset, message });
}

/** For whoever keeps a part of a record longer than the sweep. */
export function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Uint8Array.from(bytes);
}
