import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LogClosedError, LogUnavailableError, messageOf } from '@trailpush/core';
import type {
  AppendRecord,
  Assignment,
  Clock,
  GroupMembership,
  Logger,
  PartitionBounds,
  PartitionReader,
  RecordLog,
} from '@trailpush/core';
import { AppendQueue } from './append-queue.ts';
import { ConsumerGroups } from './consumer-groups.ts';
import { EmbeddedReader } from './embedded-reader.ts';
import { LogHealth } from './log-health.ts';
import { LogWorker } from './log-worker.ts';
import { PartitionTable } from './partition-table.ts';
import type { Operations } from './protocol.ts';
import { startRetention } from './retention.ts';

/**
 * Enough for the batcher to have several puts of one job under way, few enough that a quiet
 * installation does not cut its events into many small objects. Kept in the file when it is made.
 */
const PARTITIONS = 4;

export interface EmbeddedLogOptions {
  /** The data folder, made when missing; hold `lockDataFolder` of it. The log is `log.db` in it. */
  readonly dir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default `audit.events`. */
  readonly topic?: string;
  /** Older records are removed. Default 7 days. */
  readonly maxAgeMs?: number;
  /** The oldest records are removed when the log takes more than this on disk. Default 10 GiB. */
  readonly maxBytes?: number;
  /** The largest key and value together. Default 8 MiB. */
  readonly maxRecordBytes?: number;
}

/**
 * Opens the durable log of a single process.
 * @throws LogUnavailableError when the file cannot be opened, is damaged or is in use.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<RecordLog> {
  const { dir } = options;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new LogUnavailableError(`the data folder ${dir} cannot be made: ${messageOf(error)}`);
  }
  const worker = new LogWorker(dir);
  try {
    const opened = await worker.call('open', { path: join(dir, 'log.db'), partitions: PARTITIONS });
    return new EmbeddedLog(options, worker, opened);
  } catch (error) {
    await worker.close();
    throw error;
  }
}

class EmbeddedLog implements RecordLog {
  readonly topic: string;
  readonly #worker: LogWorker;
  readonly #table: PartitionTable;
  readonly #health: LogHealth;
  readonly #queue: AppendQueue;
  readonly #groups: ConsumerGroups;
  readonly #clock: Clock;
  readonly #readers = new Set<EmbeddedReader>();
  readonly #stopRetention: () => void;
  #closing: Promise<void> | undefined;

  constructor(
    options: EmbeddedLogOptions,
    worker: LogWorker,
    { bounds, lastTimestampMs }: Operations['open']['reply'],
  ) {
    const { clock, logger, topic = 'audit.events' } = options;
    const { maxAgeMs = 7 * 24 * 3_600_000, maxBytes = 10 * 1024 ** 3 } = options;
    const { maxRecordBytes = 8 * 1024 ** 2 } = options;
    this.topic = topic;
    this.#clock = clock;
    this.#worker = worker;
    this.#table = new PartitionTable(bounds);
    this.#health = new LogHealth(logger);
    const parts = { worker, table: this.#table, health: this.#health, clock };
    this.#queue = new AppendQueue({ ...parts, lastTimestampMs, maxRecordBytes });
    this.#groups = new ConsumerGroups([...bounds.keys()], async (groupId, offsets) => {
      this.#throwIfClosed();
      await worker.call('commit', { groupId, offsets: [...offsets] });
    });
    this.#stopRetention = startRetention({ ...parts, logger, maxAgeMs, maxBytes });
  }

  async bounds(): Promise<readonly PartitionBounds[]> {
    this.#throwIfClosed();
    return this.#table.all();
  }

  openReader(partition: number, offset: number): PartitionReader {
    const reader = new EmbeddedReader(partition, offset, {
      worker: this.#worker,
      table: this.#table,
      health: this.#health,
      clock: this.#clock,
      onClose: (closed) => this.#readers.delete(closed),
    });
    this.#readers.add(reader);
    if (this.#closing !== undefined) void reader.close();
    return reader;
  }

  async joinGroup(
    groupId: string,
    onAssignment: (assignment: Assignment) => void,
  ): Promise<GroupMembership> {
    this.#throwIfClosed();
    return this.#groups.join(groupId, onAssignment);
  }

  append(records: readonly AppendRecord[]): Promise<void> {
    return this.#queue.append(records);
  }

  health(): string | undefined {
    return this.#health.sentence() ?? this.#queue.slowness();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopRetention();
    await Promise.all([...this.#readers].map((reader) => reader.close()));
    await this.#queue.close();
    await this.#worker.close();
  }

  #throwIfClosed(): void {
    if (this.#closing !== undefined) throw new LogClosedError('the log is closed');
  }
}
