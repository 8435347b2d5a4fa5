import type { OutputOptions } from './job.ts';

export type FieldType = 'string' | 'int' | 'bool' | 'timestamp' | 'object';

export interface FieldSpec {
  readonly name: string;
  readonly type: FieldType;
  readonly description: string;
}

/** True when the loaded event is to be delivered. */
export type EventFilter = () => boolean;

/** Writes the loaded event as one line, newline included. Returns the new end, or -1 when it does not fit. */
export type LineWriter = (into: Buffer, at: number) => number;

/**
 * Reads records of one dataset without making objects: `load` points the reader at the bytes of one
 * record, and the filters and lines that it compiled then read from it. One record at a time.
 */
export interface EventReader {
  /**
   * Checks the whole record: framing, schema, every body, and that its account is `accountKey` (UTF-8).
   * @throws UndecodableRecordError; never for anything that a later try could mend.
   * @returns false while the writer's schema must first be fetched: await `ready()` and load again.
   */
  load(value: Uint8Array, accountKey: Uint8Array): boolean;
  /** Resolves when the schema that the last `load` missed is known, or known not to exist. */
  ready(): Promise<void>;
  /** An empty text is no filter. @throws InvalidJobError */
  compileFilter(filter: string): EventFilter | undefined;
  /** Equal options give lines of equal bytes, so that jobs can share them. */
  compileLine(options: OutputOptions): LineWriter;
}

export interface Dataset {
  readonly id: string;
  readonly fields: readonly FieldSpec[];
  openReader(): EventReader;
  /** @throws InvalidJobError when no reader could compile this filter. */
  checkFilter(filter: string): void;
  /** Options as stored (JSON text or null) with defaults filled in. @throws InvalidJobError */
  parseOutputOptions(outputOptions: string | null): OutputOptions;
}
