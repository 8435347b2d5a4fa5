import {
  OffsetOutOfRangeError,
  UndecodableRecordError,
  type Clock,
  type Dataset,
  type EventFilter,
  type EventReader,
  type JobContent,
  type LineWriter,
  type LogRecord,
  type PartitionBounds,
  type ReadResult,
  type RecordLog,
} from '@trailpush/core';
import { partitionOfKey } from '@trailpush/log';

import { PreviewLines } from './preview-lines.ts';

export interface PreviewDeps {
  readonly log: Pick<RecordLog, 'bounds' | 'openReader'>;
  readonly clock: Pick<Clock, 'sleep'>;
  /** A larger record would be set aside. */
  readonly maxRecordBytes: number;
}

export interface PreviewOrder {
  readonly accountId: string;
  readonly dataset: Dataset;
  readonly content: JobContent;
  /** Most records to show. */
  readonly limit: number;
}

/** What a job would deliver of the newest events of its account. */
export interface Preview {
  /** One object, before its compression; empty when no record is in it. */
  readonly body: string;
  readonly contentType: string;
  /** Those in the body. */
  readonly records: number;
  /** Records of all accounts that were looked at. */
  readonly examined: number;
  /** Those of the account that could be decoded, whether they match or not. */
  readonly events: number;
  /** Those of the account that a job would set aside. */
  readonly undecodable: number;
  /** False when `MAX_PREVIEW_MS` or `MAX_EXAMINED` ended the search before the log or the limits did. */
  readonly complete: boolean;
}

export const MAX_PREVIEW_MS = 5_000;
export const MAX_EXAMINED = 100_000;
const FIRST_STEP_OFFSETS = 512;
const MAX_STEP_OFFSETS = 8_192;
const FIRST_LINE_BYTES = 64 * 1024;

/**
 * Makes the object that a job with this content would deliver of the newest events. The account's partition is
 * read backwards from its end, in steps that grow; then the others, since foreign producers may place
 * keys in their own way.
 * @throws InvalidJobError, LogUnavailableError, LogClosedError
 */
export async function previewContent(order: PreviewOrder, deps: PreviewDeps): Promise<Preview> {
  const { log, clock } = deps;
  const done = new AbortController();
  const search = new PreviewSearch(order, deps);
  // Also ends waits for a broker or a schema registry that does not answer.
  const timeUp = clock.sleep(MAX_PREVIEW_MS, done.signal).then(
    () => search.stop(),
    () => undefined,
  );
  try {
    const bounds = await log.bounds();
    const own = partitionOfKey(Buffer.from(order.accountId), bounds.length);
    const isOther = ({ partition }: PartitionBounds) => Number(partition !== own);
    for (const of of bounds.toSorted((a, b) => isOther(a) - isOther(b))) {
      await search.goBack(of, timeUp);
    }
    return search.result();
  } finally {
    done.abort();
  }
}

class PreviewSearch {
  readonly #deps: PreviewDeps;
  readonly #accountKey: Buffer;
  readonly #reader: EventReader;
  readonly #filter: EventFilter | undefined;
  readonly #sample: EventFilter;
  readonly #writeLine: LineWriter;
  readonly #lines: PreviewLines;
  #line = Buffer.allocUnsafeSlow(FIRST_LINE_BYTES);
  #examined = 0;
  #events = 0;
  #undecodable = 0;
  #isStopped = false;

  constructor({ accountId, dataset, content, limit }: PreviewOrder, deps: PreviewDeps) {
    this.#deps = deps;
    this.#accountKey = Buffer.from(accountId);
    const { line, frame, sampleRate } = dataset.parseOutputOptions(content);
    const reader = dataset.openReader();
    this.#reader = reader;
    this.#filter = reader.compileFilter(content.filter);
    this.#sample = sampleRate === 1 ? () => true : reader.compileSample(sampleRate);
    this.#writeLine = reader.compileLine(line);
    this.#lines = new PreviewLines(frame, limit);
  }

  stop(): void {
    this.#isStopped = true;
  }

  result(): Preview {
    const { body, contentType, records } = this.#lines.object();
    const counts = { examined: this.#examined, events: this.#events };
    const complete = !this.#isStopped || this.#lines.isFull;
    return { body, contentType, records, ...counts, undecodable: this.#undecodable, complete };
  }

  /** Goes from the end of a partition towards its start, until something is enough. */
  async goBack({ partition, start, end }: PartitionBounds, timeUp: Promise<void>): Promise<void> {
    let step = FIRST_STEP_OFFSETS;
    for (let to = end; to > start && !this.#isOver; to -= step, step *= 2) {
      step = Math.min(step, MAX_STEP_OFFSETS);
      await this.#readRange(partition, Math.max(start, to - step), to, timeUp);
      this.#lines.endStep();
    }
  }

  get #isOver(): boolean {
    return this.#isStopped || this.#lines.isFull;
  }

  async #readRange(
    partition: number,
    from: number,
    to: number,
    timeUp: Promise<void>,
  ): Promise<void> {
    const reader = this.#deps.log.openReader(partition, from);
    try {
      for (let next = from; next < to && !this.#isStopped;) {
        const result: ReadResult | undefined = await Promise.race([
          reader.read(),
          timeUp.then(() => undefined),
        ]);
        if (!result) return;
        for (const record of result.records) {
          if (record.offset >= to) break;
          if (!(await this.#take(record, timeUp))) return;
        }
        next = result.nextOffset;
      }
    } catch (error) {
      // Retention is at work here: what may be left of this step is not worth another read.
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
    } finally {
      await reader.close();
    }
  }

  /** False when the search must end. */
  async #take({ key, value }: LogRecord, timeUp: Promise<void>): Promise<boolean> {
    if (this.#examined === MAX_EXAMINED) this.stop();
    if (this.#isStopped) return false;
    this.#examined++;
    if (key === null || value === null || !this.#accountKey.equals(key)) return true;
    if (value.length > this.#deps.maxRecordBytes) {
      this.#undecodable++;
      return true;
    }
    try {
      while (!this.#reader.load(value, key)) {
        const ready = this.#reader.ready().then(() => true);
        if (!(await Promise.race([ready, timeUp.then(() => false)]))) return false;
      }
    } catch (error) {
      if (!(error instanceof UndecodableRecordError)) throw error;
      this.#undecodable++;
      return true;
    }
    if (!this.#reader.isOfAccount) return true;
    this.#events++;
    if (this.#filter?.() !== false && this.#sample()) this.#lines.push(this.#written());
    return true;
  }

  /** A view, good until the next line is written. */
  #written(): Buffer {
    for (;;) {
      const length = this.#writeLine(this.#line, 0);
      if (length >= 0) return this.#line.subarray(0, length);
      this.#line = Buffer.allocUnsafeSlow(this.#line.length * 2);
    }
  }
}
