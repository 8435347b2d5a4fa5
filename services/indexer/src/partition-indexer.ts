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
  type ReadResult,
  type RecordLog,
} from '@trailpush/core';
import type { EntryReader } from '@trailpush/datasets';
import type { Metrics } from '@trailpush/runtime';
import type PQueue from 'p-queue';

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
  /** Of batches that are decoded and stored at once. */
  readonly slots: PQueue;
}

/** After fewer records than this, the next ones may gather for a moment: a transaction costs as much. */
const FEW_RECORDS = 100;
/** Of one transaction. What a transaction costs by itself is a small part of its time then. */
const MAX_BATCH_RECORDS = 2000;
/** The same in bytes, unless one record has more: decoded, an event takes several times its bytes. */
const MAX_BATCH_BYTES = 2 * 1024 * 1024;
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
    const reader = log.openReader(this.#partition, this.#stored?.next ?? bounds.start);
    const close = () => void reader.close().catch(() => undefined);
    this.#signal.addEventListener('abort', close, { once: true });
    try {
      while (!this.#signal.aborted) {
        const result = await reader.read();
        this.#isReading = true;
        if (!(await this.#take(result))) return 'moved by others';
      }
      return 'aborted';
    } catch (error) {
      if (this.#signal.aborted) return 'aborted';
      if (error instanceof OffsetOutOfRangeError) return 'out of range';
      throw error;
    } finally {
      this.#signal.removeEventListener('abort', close);
      await reader.close();
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

  /** False when somebody else has moved the position. */
  async #take(result: ReadResult): Promise<boolean> {
    const { slots, metrics, clock } = this.#shared;
    const { records, nextOffset, end } = result;
    const labels = { partition: String(this.#partition) };
    const last = records.at(-1);
    if (last === undefined) {
      metrics.lagRecords.set(labels, Math.max(0, end - nextOffset));
      return true;
    }
    for (const some of batchesOf(records)) {
      const { offset, timestampMs } = some.at(-1) ?? last;
      const next = offset === last.offset ? nextOffset : offset + 1;
      const to = { next, lastRead: { offset, timestampMs } };
      if (!(await slots.add(() => this.#store(some, to)))) return false;
      metrics.lagRecords.set(labels, Math.max(0, end - next));
      // The position is where it was: what comes behind must not be stored before it.
      if (this.#signal.aborted) return true;
    }
    if (records.length < FEW_RECORDS && !this.#signal.aborted) {
      await clock.sleep(GATHER_MS, this.#signal).catch(() => undefined);
    }
    return true;
  }

  async #store(records: readonly LogRecord[], to: IndexPosition): Promise<boolean> {
    const { maxRecordBytes, metrics, logger } = this.#shared;
    const by = { reader: this.#reader, maxRecordBytes, signal: this.#signal };
    const decoded = await decode(records, by);
    if (decoded === undefined || this.#signal.aborted) return true;
    const { deadLetters, nullValues } = decoded;
    const { kept: entries, expired } = await partExpired(decoded.entries, this.#shared);
    const result = await this.#append({ to, entries, deadLetters });
    if (result === 'stale') return false;
    metrics.events.inc({ result: 'stored' }, result.stored);
    metrics.events.inc({ result: 'repeated' }, entries.length - result.stored);
    this.#reportExpired(expired);
    metrics.events.inc({ result: 'null_value' }, nullValues);
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

function* batchesOf(records: readonly LogRecord[]): Generator<readonly LogRecord[], void, void> {
  let start = 0;
  let bytes = 0;
  for (const [at, { value }] of records.entries()) {
    bytes += value?.length ?? 0;
    if (at === start || (at - start < MAX_BATCH_RECORDS && bytes <= MAX_BATCH_BYTES)) continue;
    yield records.slice(start, at);
    start = at;
    bytes = value?.length ?? 0;
  }
  if (start < records.length) yield records.slice(start);
}
