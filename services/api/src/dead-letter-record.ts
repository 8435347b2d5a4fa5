import { UndecodableRecordError, type Clock, type DeadLetter } from '@trailpush/core';
import { EntryMemory, plainEntry, type EntryReader } from '@trailpush/datasets';

/** What is in a record, as far as it can be shown. */
export interface ShownRecord {
  /** Null when it is not text. */
  readonly key: string | null;
  /** The event, when it can be read now. */
  readonly event: object | null;
  /** Why it still cannot be read; null when it can. */
  readonly problem: string | null;
  /** The beginning of the value. */
  readonly hex: string | null;
}

/** How much of a value that is no event is shown. */
const SHOWN_BYTES = 1024;
/** A schema registry that is down must not hold up who looks. */
const SCHEMA_WAIT_MS = 5000;

export interface RecordDeps {
  readonly openEntryReader: () => Pick<EntryReader, 'load' | 'ready' | 'entry'>;
  readonly maxRecordBytes: number;
  readonly clock: Pick<Clock, 'sleep'>;
}

/** The record of a letter, read again with what is known now. Never rejects for what is in it. */
export async function readRecord(letter: DeadLetter, deps: RecordDeps): Promise<ShownRecord> {
  const { value } = letter;
  const key = textOf(letter.key);
  const hex = value && Buffer.from(value).toString('hex', 0, SHOWN_BYTES);
  const result = await entryOf(letter, deps);
  return typeof result === 'string'
    ? { key, event: null, problem: result, hex }
    : { key, event: result, problem: null, hex: null };
}

/** Exactly the same bytes again, or null. */
export function textOf(bytes: Uint8Array | null): string | null {
  if (!bytes?.length) return null;
  const text = Buffer.from(bytes).toString();
  return Buffer.from(text).equals(bytes) ? text : null;
}

async function entryOf(
  { key, value }: DeadLetter,
  { openEntryReader, maxRecordBytes, clock }: RecordDeps,
): Promise<object | string> {
  if (value === null) return 'the record has no value';
  if (!key?.length) return 'the record has no key, so no account';
  if (value.length > maxRecordBytes) {
    return `the record has ${value.length} bytes, and TRAILPUSH_MAX_RECORD_BYTES allows ${maxRecordBytes}`;
  }
  const reader = openEntryReader();
  const enough = new AbortController();
  const tooLong = clock.sleep(SCHEMA_WAIT_MS, enough.signal).then(
    () => true,
    () => true,
  );
  try {
    while (!reader.load(value, key)) {
      const isLate = await Promise.race([tooLong, reader.ready().then(() => false)]);
      if (isLate) return 'the schema registry does not answer: try again when it does';
    }
    return plainEntry(reader.entry(new EntryMemory(1, value.length)));
  } catch (error) {
    if (error instanceof UndecodableRecordError) return error.message;
    throw error;
  } finally {
    enough.abort();
  }
}
