import { LogUnavailableError, messageOf } from '@trailpush/core';
import type { Clock } from '@trailpush/core';
import type { Connections } from './connections.ts';
import { backoffMs, sleepUnlessClosed } from './health.ts';
import type { KafkaHealth } from './health.ts';
import type { PartitionQueue, SealedBatch, Sequences } from './partition-queue.ts';
import { produceRequest } from './produce.ts';
import { describeErrorCode, ErrorCode, isRetriable } from './requests.ts';
import type { TopicView } from './topic-view.ts';
import { Wake } from './wake.ts';

/** What one request carries, unless a single batch is larger. */
const maxRequestBytes = 4 * 1024 * 1024;
/** How long the leader may wait for its replicas before it answers with an error. */
const replicationTimeoutMs = 10_000;

/** Refusals of the producer id, not of the records: those may come again under another one. */
const identityErrors: readonly number[] = [
  ErrorCode.outOfOrderSequence,
  ErrorCode.invalidProducerEpoch,
  ErrorCode.unknownProducer,
];

export interface ProduceLoopOptions {
  readonly nodeId: number;
  readonly topic: TopicView;
  readonly connections: Connections;
  readonly health: KafkaHealth;
  readonly clock: Clock;
  readonly closing: AbortSignal;
  /** The queues of the partitions that this node leads now. */
  readonly queues: () => readonly PartitionQueue[];
  /** The producer id in use; asks for one when there is none. */
  readonly sequences: () => Promise<Sequences>;
  /** From now on a new producer id must be used. */
  readonly forgetSequences: () => void;
}

/** Sends what waits for the partitions of one broker: one request at a time, one batch a partition. */
export class ProduceLoop {
  readonly wake: Wake;
  readonly #options: ProduceLoopOptions;

  constructor(options: ProduceLoopOptions) {
    this.#options = options;
    this.wake = new Wake(options.clock);
  }

  /** Runs until the appender is closed; the request under way is finished. */
  async run(): Promise<void> {
    const { closing, clock, queues, sequences, health } = this.#options;
    while (!closing.aborted) {
      const waiting = queues().filter((queue) => !queue.empty && !queue.sending);
      const retryAtMs = Math.min(...waiting.map(({ batch }) => batch?.retryAtMs ?? 0));
      const pauseMs = retryAtMs - clock.monotonic();
      if (pauseMs > 0) {
        await this.wake.wait(Math.min(pauseMs, 60_000));
        continue;
      }
      let current: Sequences;
      try {
        current = await sequences();
      } catch (error) {
        health.failed('append', messageOf(error));
        await sleepUnlessClosed(clock, backoffMs(3), closing).catch(() => undefined);
        continue;
      }
      await this.#send(this.#take(waiting, current));
    }
  }

  /** The queues whose batches go into the next request, marked as being sent. */
  #take(waiting: readonly PartitionQueue[], sequences: Sequences): readonly PartitionQueue[] {
    const { clock } = this.#options;
    const taken: PartitionQueue[] = [];
    let bytes = 0;
    for (const queue of waiting) {
      // While we asked for a producer id the leader may have moved, and another loop be at it.
      if (queue.sending || (queue.batch?.retryAtMs ?? 0) > clock.monotonic()) continue;
      let batch = queue.batch ?? queue.seal(sequences, clock.now());
      if (batch?.refused === true) batch = queue.sealAgain(batch, sequences, clock.now());
      if (batch === undefined) continue;
      bytes += batch.bytes.length;
      if (taken.length > 0 && bytes > maxRequestBytes) break;
      queue.sending = true;
      taken.push(queue);
    }
    return taken;
  }

  async #send(queues: readonly PartitionQueue[]): Promise<void> {
    const { connections, nodeId, topic, health } = this.#options;
    const batches = queues.flatMap(({ batch }) => batch ?? []);
    if (batches.length === 0) return;
    let codes: ReadonlyMap<number, number>;
    try {
      const connection = await connections.toNode(nodeId, 'produce');
      const request = produceRequest(topic.topic, batches, replicationTimeoutMs);
      const answers = await connection.send(request);
      codes = new Map(answers.map(({ partition, errorCode }) => [partition, errorCode]));
    } catch (error) {
      health.failed('append', messageOf(error));
      for (const queue of queues) this.#retry(queue);
      return;
    } finally {
      for (const queue of queues) queue.sending = false;
    }
    for (const queue of queues) this.#settle(queue, codes.get(queue.partition));
  }

  #settle(queue: PartitionQueue, code: number | undefined): void {
    const { health, topic, forgetSequences } = this.#options;
    const { batch, partition } = queue;
    if (batch === undefined) return;
    // A duplicate is what we sent before without hearing the answer.
    if (code === ErrorCode.none || code === ErrorCode.duplicateSequence) {
      confirm(queue, batch);
      health.worked('append');
      return;
    }
    const problem = code === undefined ? 'the broker left it out' : describeErrorCode(code);
    const trouble = `Kafka refuses records for partition ${partition} of topic ${topic.topic}: ${problem}`;
    health.failed('append', trouble);
    if (code !== undefined && identityErrors.includes(code)) {
      forgetSequences();
      this.#retry(queue, true);
    } else if (code === undefined || isRetriable(code)) {
      this.#retry(queue);
    } else {
      forgetSequences();
      queue.fail(new LogUnavailableError(trouble));
    }
  }

  #retry(queue: PartitionQueue, refused = false): void {
    const { clock, topic } = this.#options;
    if (queue.batch === undefined) return;
    const failures = queue.batch.failures + 1;
    const retryAtMs = clock.monotonic() + backoffMs(failures);
    queue.batch = { ...queue.batch, failures, retryAtMs, refused: refused || queue.batch.refused };
    topic.requestRefresh();
  }
}

function confirm(queue: PartitionQueue, batch: SealedBatch): void {
  queue.batch = undefined;
  for (const [call, records] of batch.calls) call.stored(records);
}
