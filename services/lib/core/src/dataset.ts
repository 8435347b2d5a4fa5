import type { JobContent, LineOptions, OutputOptions } from './job.ts';

export type FieldType = 'string' | 'int' | 'bool' | 'timestamp' | 'array' | 'object';

export interface FieldSpec {
  readonly name: string;
  readonly type: FieldType;
  readonly description: string;
}

/** True when the loaded event is to be delivered. */
export type EventFilter = () => boolean;

/** Writes the loaded event as one line, prefix and suffix included. Returns the new end, or -1 when it does not fit. */
export type LineWriter = (into: Buffer, at: number) => number;

/**
 * Reads records of one dataset without making objects: `load` points the reader at the bytes of one
 * record, and the filters and lines that it compiled then read from it. One record at a time.
 */
export interface EventReader {
  /**
   * Checks the whole record: framing, schema, every body, and that its account, or else its organization, is
   * `key` (UTF-8).
   * @throws UndecodableRecordError; never for anything that a later try could mend.
   * @returns false while the writer's schema must first be fetched: await `ready()` and load again.
   */
  load(value: Uint8Array, key: Uint8Array): boolean;
  /** False for the loaded event of an organization: no account's job delivers it, whatever its key. */
  readonly isOfAccount: boolean;
  /** Resolves when the schema that the last `load` missed is known, or known not to exist. */
  ready(): Promise<void>;
  /** An empty text is no filter. @throws InvalidJobError */
  compileFilter(filter: string): EventFilter | undefined;
  /** True for about this share of all events: always for the same ones, as their id decides. */
  compileSample(rate: number): EventFilter;
  compileLine(options: LineOptions): LineWriter;
}

export interface Dataset {
  readonly id: string;
  readonly fields: readonly FieldSpec[];
  openReader(): EventReader;
  /** @throws InvalidJobError when no reader could compile this filter. */
  checkFilter(filter: string): void;
  /**
   * The options as stored with defaults filled in; logpull_options count only where there are no
   * output_options. @throws InvalidJobError
   */
  parseOutputOptions(stored: Pick<JobContent, 'outputOptions' | 'logpullOptions'>): OutputOptions;
}
