import type { OutputOptions } from './job.ts';

export type FieldType = 'string' | 'int' | 'bool' | 'timestamp' | 'object';

export interface FieldSpec {
  readonly name: string;
  readonly type: FieldType;
  readonly description: string;
}

/**
 * Reads records of one dataset without making objects: `load` points the reader at the bytes of one
 * record, and filters and lines then read from it. One reader serves one thread, one record at a time.
 */
export interface EventReader {
  /**
   * Checks the whole record: framing, schema, every body, and that its account is `accountId`.
   * @throws UndecodableRecordError; never for anything that a later try could mend.
   * @returns false while the writer schema must first be fetched: await `ready()` and load again.
   */
  load(value: Uint8Array, accountId: string): boolean;
  /** Resolves when the schema that the last `load` missed is known, or known not to exist. */
  ready(): Promise<void>;
}

/** True when the loaded event is to be delivered. */
export type EventFilter = () => boolean;

/** Writes the loaded event as one line, newline included. Returns the new end, or -1 when it does not fit. */
export type LineWriter = (into: Buffer, at: number) => number;

export interface Dataset {
  readonly id: string;
  readonly fields: readonly FieldSpec[];
  openReader(): EventReader;
  /** An empty text is no filter. @throws InvalidJobError */
  compileFilter(reader: EventReader, filter: string): EventFilter | undefined;
  /** Equal options give lines of equal bytes, so that jobs can share them. */
  compileLine(reader: EventReader, options: OutputOptions): LineWriter;
  /** Options as stored (JSON text or null) with defaults filled in. @throws InvalidJobError */
  parseOutputOptions(outputOptions: string | null): OutputOptions;
}
