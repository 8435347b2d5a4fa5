import { LogClosedError, RecordTooLargeError, messageOf } from '@trailpush/core';
import type { AppendRecord, Clock } from '@trailpush/core';
import { ChunkBuilder } from './chunk-builder.ts';
import type { LogHealth } from './log-health.ts';
import type { LogWorker } from './log-worker.ts';
import type { PartitionTable } from './partition-table.ts';
import type { NewChunk } from './protocol.ts';

/** One transaction takes no more, but for its last record: what this queue copies is bounded by it. */
const TRANSACTION_BYTES = 4 * 1024 * 1024;
/** How often a log that failed is tried when nobody appends. */
const PROBE_EVERY_MS = 1_000;
/** A transaction that takes longer than this is worth a red light. */
const SLOW_AFTER_MS = 10_000;

/** One call of `append` that waits. Records before `next` are in a transaction. */
interface Waiting {
  readonly records: readonly AppendRecord[];
  next: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface AppendQueueOptions {
  readonly worker: Pick<LogWorker, 'call'>;
  readonly table: PartitionTable;
  readonly health: LogHealth;
  readonly clock: Clock;
  /** No record is stamped with an earlier time. */
  readonly lastTimestampMs: number;
  /** The largest key and value together. */
  readonly maxRecordBytes: number;
}

/**
 * Group commit: one transaction is under way at a time, and the calls that arrive meanwhile share the
 * next one, in the order of their arrival. Callers wait for their turn, holding their own records;
 * only those of the transaction under way are copied.
 */
export class AppendQueue {
  readonly #options: AppendQueueOptions;
  #waiting: Waiting[] = [];
  #lastTimestampMs: number;
  #running: Promise<void> | undefined;
  #sentAtMs: number | undefined;
  #stopProbing: (() => void) | undefined;
  #closed = false;

  constructor(options: AppendQueueOptions) {
    this.#options = options;
    this.#lastTimestampMs = options.lastTimestampMs;
  }

  async append(records: readonly AppendRecord[]): Promise<void> {
    if (this.#closed) throw closedError();
    this.#checkSizes(records);
    if (records.length === 0) return;
    const stored = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ records, next: 0, resolve, reject });
    });
    this.#running ??= this.#run();
    await stored;
  }

  /** One sentence when the disk takes unusually long. */
  slowness(): string | undefined {
    if (this.#sentAtMs === undefined) return undefined;
    const ms = this.#options.clock.monotonic() - this.#sentAtMs;
    if (ms < SLOW_AFTER_MS) return undefined;
    return `the disk of the log has not confirmed a write for ${Math.round(ms / 1000)} s`;
  }

  /** Waits for the transaction under way; the calls behind it are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopProbing?.();
    for (const { reject } of this.#waiting.filter(({ next }) => next === 0)) reject(closedError());
    this.#waiting = this.#waiting.filter(({ next }) => next > 0);
    await this.#running;
  }

  #checkSizes(records: readonly AppendRecord[]): void {
    const { maxRecordBytes } = this.#options;
    for (const [index, { key, value }] of records.entries()) {
      const bytes = value.byteLength + Buffer.byteLength(key);
      if (bytes <= maxRecordBytes) continue;
      throw new RecordTooLargeError(
        index,
        `record ${index} has ${bytes} bytes with its key; the log takes ${maxRecordBytes} ` +
          '(TRAILPUSH_MAX_RECORD_BYTES)',
      );
    }
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) await this.#runTransaction();
    this.#running = undefined;
  }

  async #runTransaction(): Promise<void> {
    const { worker, table, clock } = this.#options;
    const { chunks, calls } = this.#takeTransaction();
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs, clock.now());
    this.#sentAtMs = clock.monotonic();
    try {
      const request = { timestampMs: this.#lastTimestampMs, chunks };
      const moved = chunks.map(({ data }) => data.buffer);
      table.update(await worker.call('append', request, moved));
    } catch (error) {
      this.#failed(error, calls);
      return;
    } finally {
      this.#sentAtMs = undefined;
    }
    this.#worked();
    for (const { records, next, resolve } of calls) if (next === records.length) resolve();
    if (this.#closed) for (const { reject } of this.#waiting.splice(0)) reject(closedError());
  }

  /** Takes records from the head of the queue until the transaction is full. */
  #takeTransaction(): { chunks: NewChunk[]; calls: Waiting[] } {
    const builder = new ChunkBuilder(this.#options.table.all().length);
    const calls: Waiting[] = [];
    let bytes = 0;
    for (const call of this.#waiting) {
      if (bytes >= TRANSACTION_BYTES) break;
      calls.push(call);
      for (; bytes < TRANSACTION_BYTES; call.next += 1) {
        const record = call.records[call.next];
        if (record === undefined) break;
        bytes += builder.add(record);
      }
    }
    this.#waiting = this.#waiting.filter(({ next, records }) => next < records.length);
    return { chunks: builder.finish(), calls };
  }

  #failed(error: unknown, calls: readonly Waiting[]): void {
    const { health, worker, clock } = this.#options;
    health.failed(this, messageOf(error));
    for (const { reject } of calls) reject(error);
    // What is left of a refused call must not follow it into the log. Only the last one can have more.
    const last = calls.at(-1);
    if (this.#waiting[0] === last) this.#waiting.shift();
    // Without this, a program that takes no events while it is not ready would never be ready again.
    let probing = false;
    this.#stopProbing ??= clock.every(PROBE_EVERY_MS, () => {
      if (probing) return;
      probing = true;
      worker
        .call('probe', undefined)
        .then(
          () => this.#worked(),
          () => undefined,
        )
        .finally(() => (probing = false));
    });
  }

  #worked(): void {
    this.#stopProbing?.();
    this.#stopProbing = undefined;
    this.#options.health.worked(this);
  }
}

function closedError(): LogClosedError {
  return new LogClosedError('the log is closed');
}
