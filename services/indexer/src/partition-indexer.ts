import {
  LogUnavailableError,
  OffsetOutOfRangeError,
  type AuditBatch,
  type AuditEntry,
  type AuditStore,
  type Clock,
  type IndexPosition,
  type LogRecord,
  type Logger,
  type PartitionBounds,
  type PartitionReader,
  type RecordLog,
} from '@trailpush/core';
import type { EntryReader } from '@trailpush/datasets';
import type { Metrics } from '@trailpush/runtime';
import type PQueue from 'p-queue';

import { BatchAhead, chunksOf, type Batch, type Chunk } from './batch-ahead.ts';
import { decode } from './decode.ts';
import { partExpired, type ExpiryDeps } from './expired.ts';

/** What all partitions of the process share. */
export interface Shared extends ExpiryDeps {
  readonly log: RecordLog;
  readonly store: Pick<AuditStore, 'position' | 'append'>;
  readonly openReader: () => EntryReader;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics['indexing'];
  readonly maxRecordBytes: number;
  /** Of chunks of records that are decoded or stored at once. */
  readonly slots: PQueue;
}

/** After fewer records than this, the next ones may gather for a moment: a transaction costs as much. */
const FEW_RECORDS = 100;
const GATHER_MS = 50;

const RETENTION = 'the log had let go of them before they were indexed';

/** Why a partition is looked at anew, from its stored position. Nothing is wrong with the position. */
export type Ending = 'aborted' | 'moved by others' | 'out of range';

/** Reads one partition from its stored position on, and stores what it finds together with the position. */
export class PartitionIndexer {
  readonly #shared: Shared;
  readonly #partition: number;
  readonly #signal: AbortSignal;
  readonly #reader: EntryReader;
  /** Undefined until the first batch of a new partition is stored. */
  #stored: IndexPosition | undefined;
  #isReading = false;
  /** Of the log, at the last read. */
  #end = 0;

  constructor(shared: Shared, partition: number, signal: AbortSignal) {
    this.#shared = shared;
    this.#partition = partition;
    this.#signal = signal;
    this.#reader = shared.openReader();
  }

  /** Everything below it is stored. */
  get position(): number | undefined {
    return this.#stored?.next;
  }

  /** True once log and store have both answered. */
  get isReading(): boolean {
    return this.#isReading;
  }

  /** Runs until it is aborted, or the position must be read again. @throws what log and store throw */
  async run(): Promise<Ending> {
    const { log, store } = this.#shared;
    this.#stored = await store.position(log.topic, this.#partition);
    const bounds = (await log.bounds()).find(({ partition }) => partition === this.#partition);
    if (!bounds)
      throw new LogUnavailableError(`the log does not show partition ${this.#partition}`);
    if (this.#stored && !(await this.#enter(this.#stored, bounds))) return 'moved by others';
    // Nobody would tell it any more.
    if (isAborted(this.#signal)) return 'aborted';
    const reader = log.openReader(this.#partition, this.#stored?.next ?? bounds.start);
    const ahead = new BatchAhead();
    const ended = new AbortController();
    const stop = () => {
      ended.abort();
      ahead.close();
      void reader.close().catch(() => undefined);
    };
    this.#signal.addEventListener('abort', stop, { once: true });
    const reading = this.#readInto(ahead, reader, ended.signal);
    // It is awaited below.
    reading.catch(() => undefined);
    try {
      if (!(await this.#storeFrom(ahead))) return 'moved by others';
      await reading;
      return 'aborted';
    } catch (error) {
      if (this.#signal.aborted) return 'aborted';
      if (error instanceof OffsetOutOfRangeError) return 'out of range';
      throw error;
    } finally {
      this.#signal.removeEventListener('abort', stop);
      stop();
      await Promise.allSettled([reading, reader.close()]);
    }
  }

  /**
   * Makes sure that the stored position is one of this log. What retention has taken is a gap; a topic
   * that was cut or made anew is read from its beginning, since events that are known are not stored
   * twice. False when somebody else has moved the position.
   */
  async #enter(stored: IndexPosition, { start, end }: PartitionBounds): Promise<boolean> {
    const { logger, metrics } = this.#shared;
    const partition = this.#partition;
    if (stored.next < start) {
      const gap = { from: stored.next, to: start, reason: RETENTION };
      const result = await this.#append({ to: { next: start, lastRead: null }, gap });
      if (result === 'stale') return false;
      metrics.gapEvents.inc(start - stored.next);
      logger.error({ partition, ...gap }, 'the log lost offsets before they were indexed');
      return true;
    }
    const isCut = stored.next > end || (await this.#isOther(stored, start));
    if (!isCut) return true;
    logger.error(
      { partition, position: stored.next, start, end },
      'the topic was cut or made anew: it is indexed from its beginning',
    );
    return (await this.#append({ to: { next: start, lastRead: null } })) !== 'stale';
  }

  /** Whether the record that was read last is another one now. */
  async #isOther({ lastRead }: IndexPosition, start: number): Promise<boolean> {
    if (!lastRead || lastRead.offset < start) return false;
    const reader = this.#shared.log.openReader(this.#partition, lastRead.offset);
    try {
      const { records, nextOffset } = await reader.read();
      if (nextOffset <= lastRead.offset) throw new LogUnavailableError('the log gives no records');
      const [record] = records;
      return record?.offset === lastRead.offset && record.timestampMs !== lastRead.timestampMs;
    } catch (error) {
      if (error instanceof OffsetOutOfRangeError) return error.offset > error.end;
      throw error;
    } finally {
      await reader.close();
    }
  }

  /** Reads and decodes until the end, while what was read before is stored. @throws what the log throws */
  async #readInto(ahead: BatchAhead, reader: PartitionReader, signal: AbortSignal): Promise<void> {
    const { clock, metrics } = this.#shared;
    try {
      while (!signal.aborted) {
        const { records, nextOffset, end } = await reader.read();
        this.#isReading = true;
        this.#end = end;
        if (records.length === 0) {
          const lag = Math.max(0, end - nextOffset);
          metrics.lagRecords.set({ partition: String(this.#partition) }, lag);
          continue;
        }
        for (const some of chunksOf(records)) {
          const isLast = some.at(-1) === records.at(-1);
          const chunk = await this.#decode(some, isLast ? nextOffset : undefined, signal);
          if (chunk === undefined) return;
          await ahead.add(chunk);
        }
        if (records.length < FEW_RECORDS) {
          await clock.sleep(GATHER_MS, signal).catch(() => undefined);
        }
      }
    } finally {
      // What was decoded before an error is stored first.
      ahead.end();
    }
  }

  /** Undefined when it was aborted. */
  async #decode(
    records: readonly LogRecord[],
    nextOffset: number | undefined,
    signal: AbortSignal,
  ): Promise<Chunk | undefined> {
    const { slots, maxRecordBytes } = this.#shared;
    const last = records.at(-1);
    if (last === undefined) return undefined;
    const release = await takeSlot(slots);
    try {
      const decoded = await decode(records, { reader: this.#reader, maxRecordBytes, signal });
      if (decoded !== undefined && !signal.aborted) {
        const { offset, timestampMs } = last;
        const to = { next: nextOffset ?? offset + 1, lastRead: { offset, timestampMs } };
        return { ...decoded, records: records.length, to, release };
      }
    } catch (error) {
      release();
      throw error;
    }
    release();
    return undefined;
  }

  /** False when somebody else has moved the position. */
  async #storeFrom(ahead: BatchAhead): Promise<boolean> {
    for (;;) {
      const chunks = await ahead.take();
      if (chunks === undefined) return true;
      try {
        if (!(await this.#store(chunks))) return false;
      } finally {
        for (const { release } of chunks) release();
      }
      // The position is where it was: what comes behind must not be stored before it.
      if (this.#signal.aborted) return true;
    }
  }

  async #store(chunks: Batch): Promise<boolean> {
    const { metrics, logger } = this.#shared;
    const { to } = chunks.at(-1) ?? chunks[0];
    const deadLetters = chunks.flatMap((chunk) => chunk.deadLetters);
    const all = chunks.flatMap((chunk) => chunk.entries);
    const { kept: entries, expired } = await partExpired(all, this.#shared);
    const result = await this.#append({ to, entries, deadLetters });
    if (result === 'stale') return false;
    const labels = { partition: String(this.#partition) };
    metrics.lagRecords.set(labels, Math.max(0, this.#end - to.next));
    metrics.events.inc({ result: 'stored' }, result.stored);
    metrics.events.inc({ result: 'repeated' }, entries.length - result.stored);
    this.#reportExpired(expired);
    for (const { nullValues } of chunks) metrics.events.inc({ result: 'null_value' }, nullValues);
    for (const { reason } of deadLetters) metrics.deadLetters.inc({ reason });
    const [first] = deadLetters;
    if (first) {
      const { offset, reason, message } = first;
      const fields = { partition: this.#partition, offset, reason, error: message };
      logger.error({ ...fields, count: deadLetters.length }, 'records could not be indexed');
    }
    return true;
  }

  #reportExpired(expired: readonly AuditEntry[]): void {
    const [first] = expired;
    if (first === undefined) return;
    this.#shared.metrics.events.inc({ result: 'expired' }, expired.length);
    const { tenant, id, timeMicros } = first;
    this.#shared.logger.error(
      { tenant, id, time: new Date(timeMicros / 1000), count: expired.length },
      'events older than the retention were not indexed: trailpush restore can load them from exported objects',
    );
  }

  async #append(
    of: Pick<AuditBatch, 'to'> & Partial<AuditBatch>,
  ): Promise<{ readonly stored: number } | 'stale'> {
    const { log, store } = this.#shared;
    const result = await store.append({
      ...{ topic: log.topic, partition: this.#partition, from: this.#stored?.next },
      ...{ entries: [], deadLetters: [] },
      ...of,
    });
    if (result !== 'stale') this.#stored = of.to;
    return result;
  }
}

/** A call, since the compiler takes a signal that was not aborted before an `await` for one that never is. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Waits for room for a chunk. Resolves to what gives it back. */
async function takeSlot(slots: PQueue): Promise<() => void> {
  const { promise: isFree, resolve: release } = Promise.withResolvers<undefined>();
  const isTaken = Promise.withResolvers<undefined>();
  void slots.add(() => {
    isTaken.resolve(undefined);
    return isFree;
  });
  await isTaken.promise;
  return () => release(undefined);
}
