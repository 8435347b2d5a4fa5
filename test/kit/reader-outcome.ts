import {
  UndecodableRecordError,
  type DeadLetterReason,
  type EventReader,
  type LineOptions,
} from '@trailpush/core';

/** What became of one record: its line (a character a byte), or why there is none. */
export interface Outcome {
  readonly line?: string;
  readonly reason?: DeadLetterReason;
  readonly message?: string;
}

const into = Buffer.alloc(1 << 20);

/** Loads a record and writes its line. Anything thrown but a refusal goes through. */
export function outcomeOf(
  reader: EventReader,
  options: LineOptions,
  { value, key }: { value: Uint8Array; key: string | Uint8Array },
): Outcome {
  try {
    if (!reader.load(value, Buffer.from(key))) throw new Error('the schema must be fetched first');
  } catch (error) {
    if (!(error instanceof UndecodableRecordError)) throw error;
    return { reason: error.reason, message: error.message };
  }
  return { line: into.toString('latin1', 0, reader.compileLine(options)(into, 0)) };
}
