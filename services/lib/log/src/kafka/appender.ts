import { LogClosedError, LogUnavailableError, RecordTooLargeError } from '@trailpush/core';
import type { AppendRecord, Clock } from '@trailpush/core';
import { partitionOfKey } from '../embedded/partitioner.ts';
import type { Connections } from './connections.ts';
import { sleepUnlessClosed } from './health.ts';
import type { KafkaHealth } from './health.ts';
import { AppendCall, PartitionQueue } from './partition-queue.ts';
import type { Sequences } from './partition-queue.ts';
import { initProducerIdRequest } from './produce.ts';
import type { RecordToEncode } from './produce.ts';
import { ProduceLoop } from './produce-loop.ts';
import { describeErrorCode, ErrorCode } from './requests.ts';
import type { TopicView } from './topic-view.ts';

/** After this time nothing is sent again; the attempt under way may take a few seconds more. */
const giveUpAfterMs = 20_000;
/** Records of calls that wait. Further calls wait for their turn before they are queued. */
const maxQueuedBytes = 64 * 1024 * 1024;
/** How often calls that have waited too long are looked for. */
const lookoutMs = 500;
/** How long the requests under way may take when the log is closed. */
const closeWithinMs = 5_000;

export interface AppenderOptions {
  readonly topic: TopicView;
  readonly connections: Connections;
  readonly health: KafkaHealth;
  readonly clock: Clock;
  readonly maxRecordBytes: number;
}

/**
 * Appends records with idempotence, one batch under way per partition. Calls that come meanwhile share
 * the next batch.
 *
 * kafkajs' producer is not used. When a batch fails it gives the sequence numbers back, so that another
 * send may take them before the retry: the broker, which had stored the first, takes the second for a
 * repetition and confirms what it throws away. And when a leader moves between two attempts it drops
 * the partitions that moved to a broker which had already answered.
 */
export class Appender {
  readonly #options: AppenderOptions;
  readonly #closing = new AbortController();
  readonly #queues = new Map<number, PartitionQueue>();
  readonly #loops = new Map<
    number,
    { readonly loop: ProduceLoop; readonly ended: Promise<void> }
  >();
  readonly #stopLookout: () => void;
  #admission: Promise<void> = Promise.resolve();
  #onRoom: (() => void) | undefined;
  #queuedBytes = 0;
  #sequences: Promise<Sequences> | undefined;

  constructor(options: AppenderOptions) {
    this.#options = options;
    options.topic.onRefresh(() => this.#wakeLoops());
    this.#stopLookout = options.clock.every(lookoutMs, () => this.#expire());
  }

  /** As `RecordLog.append`. */
  async append(records: readonly AppendRecord[]): Promise<void> {
    this.#refuseWhenClosed();
    const bytes = checkedSize(records, this.#options.maxRecordBytes);
    if (records.length === 0) return;
    const deadlineMs = this.#options.clock.monotonic() + giveUpAfterMs;
    // One after the other, so that a large call is not overtaken for ever by small ones.
    const admitted = this.#admission.then(() => this.#admit(bytes, deadlineMs));
    this.#admission = admitted.catch(() => undefined);
    await admitted;
    try {
      const partitions = await this.#partitionCount(deadlineMs);
      this.#refuseWhenClosed();
      const call = new AppendCall(records.length, deadlineMs);
      for (const [partition, share] of shares(records, partitions)) {
        this.#queue(partition).add(call, share);
      }
      this.#wakeLoops();
      await call.done;
    } finally {
      this.#queuedBytes -= bytes;
      this.#onRoom?.();
    }
  }

  /** Finishes the requests under way and refuses all that waits. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#stopLookout();
    this.#onRoom?.();
    for (const { loop } of this.#loops.values()) loop.wake.notify();
    const patience = new AbortController();
    const timeout = this.#options.clock
      .sleep(closeWithinMs, patience.signal)
      .catch(() => undefined);
    await Promise.race([this.ended(), timeout]);
    patience.abort();
    for (const queue of this.#queues.values()) queue.failAll(closedError());
  }

  /** Resolves when no request is under way any more. */
  async ended(): Promise<void> {
    await Promise.all([...this.#loops.values()].map((loop) => loop.ended));
  }

  async #admit(bytes: number, deadlineMs: number): Promise<void> {
    while (this.#queuedBytes > 0 && this.#queuedBytes + bytes > maxQueuedBytes) {
      // Those before us end by their own deadlines, earlier than ours.
      await new Promise<void>((resolve) => (this.#onRoom = resolve));
      this.#refuseWhenClosed();
      if (this.#options.clock.monotonic() >= deadlineMs)
        throw new LogUnavailableError(this.#slow());
    }
    this.#queuedBytes += bytes;
  }

  async #partitionCount(deadlineMs: number): Promise<number> {
    const { topic, clock } = this.#options;
    while (topic.partitions.length === 0) {
      topic.requestRefresh();
      if (clock.monotonic() >= deadlineMs) throw new LogUnavailableError(this.#slow());
      await sleepUnlessClosed(clock, 50, this.#closing.signal);
    }
    return topic.partitions.length;
  }

  #queue(partition: number): PartitionQueue {
    let queue = this.#queues.get(partition);
    if (queue === undefined) {
      queue = new PartitionQueue(partition);
      this.#queues.set(partition, queue);
    }
    return queue;
  }

  #wakeLoops(): void {
    for (const { partition, empty } of this.#queues.values()) {
      const nodeId = this.#options.topic.leaderOf(partition);
      if (empty || nodeId === undefined || this.#closing.signal.aborted) continue;
      const known = this.#loops.get(nodeId);
      if (known === undefined) this.#startLoop(nodeId);
      else known.loop.wake.notify();
    }
  }

  #startLoop(nodeId: number): void {
    const { topic } = this.#options;
    const loop = new ProduceLoop({
      ...this.#options,
      nodeId,
      closing: this.#closing.signal,
      queues: () =>
        [...this.#queues.values()].filter(({ partition }) => topic.leaderOf(partition) === nodeId),
      sequences: async () => (this.#sequences ??= this.#askForSequences()),
      forgetSequences: () => (this.#sequences = undefined),
    });
    this.#loops.set(nodeId, { loop, ended: loop.run() });
  }

  async #askForSequences(): Promise<Sequences> {
    try {
      const connection = await this.#options.connections.any();
      const { errorCode, ...identity } = await connection.send(initProducerIdRequest());
      if (errorCode !== ErrorCode.none) {
        throw new LogUnavailableError(
          `Kafka gives no producer id: ${describeErrorCode(errorCode)}`,
        );
      }
      return { ...identity, next: new Map() };
    } catch (error) {
      this.#sequences = undefined;
      throw error;
    }
  }

  #expire(): void {
    const now = this.#options.clock.monotonic();
    const queues = [...this.#queues.values()];
    for (const queue of queues) {
      // Whether the batch is in the log is unknown: its sequence numbers must not come again.
      if (queue.expire(now, this.#slow())) this.#sequences = undefined;
      if (!queue.empty && this.#options.topic.leaderOf(queue.partition) === undefined) {
        this.#options.topic.requestRefresh();
      }
    }
    // With nothing left to send, whether it works shows with the next call.
    if (queues.every((queue) => queue.empty)) this.#options.health.worked('append');
  }

  #refuseWhenClosed(): void {
    if (this.#closing.signal.aborted) throw closedError();
  }

  #slow(): string {
    const trouble = this.#options.health.latest() ?? 'no answer';
    return `Kafka did not confirm within ${giveUpAfterMs / 1000} s: ${trouble}`;
  }
}

/** @throws RecordTooLargeError */
function checkedSize(records: readonly AppendRecord[], maxRecordBytes: number): number {
  let sum = 0;
  for (const [index, { key, value }] of records.entries()) {
    const bytes = Buffer.byteLength(key) + value.byteLength;
    if (bytes > maxRecordBytes) {
      throw new RecordTooLargeError(
        index,
        `record ${index} has ${bytes} bytes with its key; the log takes ${maxRecordBytes} ` +
          '(TRAILPUSH_MAX_RECORD_BYTES)',
      );
    }
    sum += bytes;
  }
  return sum;
}

/** The records of a call by partition, each in its order. */
function shares(
  records: readonly AppendRecord[],
  partitions: number,
): Map<number, RecordToEncode[]> {
  const keys = new Map<string, { readonly bytes: Buffer; readonly share: RecordToEncode[] }>();
  const byPartition = new Map<number, RecordToEncode[]>();
  for (const { key, value } of records) {
    let known = keys.get(key);
    if (known === undefined) {
      const bytes = Buffer.from(key);
      const partition = partitionOfKey(bytes, partitions);
      const share = byPartition.get(partition) ?? [];
      byPartition.set(partition, share);
      known = { bytes, share };
      keys.set(key, known);
    }
    known.share.push({ key: known.bytes, value });
  }
  return byPartition;
}

function closedError(): LogClosedError {
  return new LogClosedError('the log is closed');
}
