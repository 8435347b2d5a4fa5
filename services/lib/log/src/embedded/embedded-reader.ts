import {
  LogClosedError,
  LogUnavailableError,
  OffsetOutOfRangeError,
  messageOf,
} from '@trailpush/core';
import type {
  Clock,
  LogRecord,
  PartitionBounds,
  PartitionReader,
  ReadResult,
} from '@trailpush/core';
import { decodeFrames } from './framing.ts';
import type { LogHealth } from './log-health.ts';
import type { LogWorker } from './log-worker.ts';
import type { PartitionTable } from './partition-table.ts';

/** One fetch asks for this much and gets whole chunks, so a little more. */
const FETCH_BYTES = 1024 * 1024;
/** The port's second: how long a read waits for records, or after a fetch that failed. */
const WAIT_MS = 1_000;

export interface EmbeddedReaderOptions {
  readonly worker: LogWorker;
  readonly table: PartitionTable;
  readonly health: LogHealth;
  readonly clock: Clock;
  readonly onClose: (reader: EmbeddedReader) => void;
}

interface Fetched {
  /** What the records are views of. */
  readonly block: ArrayBuffer;
  readonly records: readonly LogRecord[];
  readonly nextOffset: number;
  /** The log's start when this was read; what is handed out may have left the log since. */
  readonly start: number;
}

/** Reads one partition, one fetch ahead of its caller. */
export class EmbeddedReader implements PartitionReader {
  readonly partition: number;
  readonly #options: EmbeddedReaderOptions;
  #position: number;
  #ahead: Promise<Fetched | undefined> | undefined;
  /** What the caller is done with when it reads again. */
  #block: ArrayBuffer | undefined;
  #waiting: AbortController | undefined;
  #closed = false;

  constructor(partition: number, offset: number, options: EmbeddedReaderOptions) {
    this.partition = partition;
    this.#position = offset;
    this.#options = options;
  }

  async read(): Promise<ReadResult> {
    this.#throwIfClosed();
    // Freed now: the collector would come for it when 50 MB have piled up.
    this.#block?.transfer(0);
    this.#block = undefined;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const fetched = (await ahead) ?? (await this.#fetchWhenThereIsMore());
    this.#throwIfClosed();
    if (fetched === undefined) return this.#nothing();
    const { block, ...found } = fetched;
    this.#block = block;
    this.#position = found.nextOffset;
    const { end } = this.#bounds();
    if (this.#position < end) this.#ahead = this.#fetch();
    return { partition: this.partition, ...found, end };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ahead = undefined;
    this.#waiting?.abort();
    this.#options.health.forget(this);
    this.#options.onClose(this);
  }

  async #fetchWhenThereIsMore(): Promise<Fetched | undefined> {
    this.#throwIfOutOfRange();
    if (this.#position === this.#bounds().end) await this.#wait();
    if (this.#closed || this.#position === this.#bounds().end) return undefined;
    const fetched = await this.#fetch();
    if (fetched === undefined) {
      // Retention may have been faster; anything else is trouble that only time can mend.
      this.#throwIfOutOfRange();
      await this.#wait();
    }
    return fetched;
  }

  /** Undefined when there is nothing at the position, or when the log cannot tell. Never rejects. */
  async #fetch(): Promise<Fetched | undefined> {
    const { worker, health } = this.#options;
    const { partition } = this;
    const offset = this.#position;
    try {
      const request = { partition, offset, maxBytes: FETCH_BYTES };
      const { headers, data } = await worker.call('read', request);
      const records: LogRecord[] = [];
      const block = data.buffer;
      const buffer = Buffer.from(block);
      let at = 0;
      let nextOffset = offset;
      for (const header of headers) {
        decodeFrames(buffer.subarray(at, at + header.bytes), header, offset, records);
        at += header.bytes;
        nextOffset = header.baseOffset + header.records;
      }
      health.worked(this);
      if (nextOffset === offset) return undefined;
      return { block, records, nextOffset, start: this.#bounds().start };
    } catch (error) {
      // A reader that was closed meanwhile has no trouble any more.
      if (!this.#closed) health.failed(this, this.#explain(error));
      return undefined;
    }
  }

  /** Until the partition grows, the reader closes, or a second has passed. */
  async #wait(): Promise<void> {
    if (this.#closed) return;
    const waiting = new AbortController();
    this.#waiting = waiting;
    const forget = this.#options.table.onGrowth(this.partition, () => waiting.abort());
    try {
      await this.#options.clock.sleep(WAIT_MS, waiting.signal);
    } catch {
      // Woken: the caller looks at what has changed.
    } finally {
      forget();
    }
  }

  #explain(error: unknown): string {
    if (error instanceof LogUnavailableError) return error.message;
    const { partition } = this;
    return `partition ${partition} of the log is damaged (${messageOf(error)}): restore log.db from a backup`;
  }

  #nothing(): ReadResult {
    const nextOffset = this.#position;
    return { ...this.#bounds(), records: [], nextOffset };
  }

  #bounds(): PartitionBounds {
    return this.#options.table.of(this.partition);
  }

  #throwIfOutOfRange(): void {
    const { partition, start, end } = this.#bounds();
    const offset = this.#position;
    if (offset < start || offset > end) {
      throw new OffsetOutOfRangeError({ partition, offset, start, end });
    }
  }

  #throwIfClosed(): void {
    if (this.#closed) throw new LogClosedError('the reader is closed');
  }
}
