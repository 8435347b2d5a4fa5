import { LogClosedError, LogUnavailableError, messageOf } from '@trailpush/core';
import type { Clock } from '@trailpush/core';
import type { Connections } from './connections.ts';
import { backoffMs, sleepUnlessClosed } from './health.ts';
import type { KafkaHealth } from './health.ts';
import { describeErrorCode, ErrorCode, metadataRequest } from './requests.ts';

/** Partitions that appear and leaders that move without an error are noticed after this time at most. */
const maxAgeMs = 30_000;

export interface TopicViewOptions {
  readonly topic: string;
  readonly connections: Connections;
  readonly health: KafkaHealth;
  readonly clock: Clock;
  readonly closing: AbortSignal;
}

/** What we know about the topic's partitions and their leaders. */
export class TopicView {
  readonly topic: string;
  readonly #options: TopicViewOptions;
  readonly #listeners = new Set<() => void>();
  readonly #stopAging: () => void;
  #leaders: ReadonlyMap<number, number> = new Map();
  #refreshing: Promise<void> | undefined;
  #refreshLoop: Promise<void> | undefined;

  constructor(options: TopicViewOptions) {
    this.topic = options.topic;
    this.#options = options;
    this.#stopAging = options.clock.every(maxAgeMs, () => this.requestRefresh());
    this.requestRefresh();
  }

  /** In ascending order; empty until the first refresh. */
  get partitions(): readonly number[] {
    return [...this.#leaders.keys()];
  }

  /** The node that leads the partition, or undefined while none does or the partition is unknown. */
  leaderOf(partition: number): number | undefined {
    const leader = this.#leaders.get(partition);
    return leader === undefined || leader < 0 ? undefined : leader;
  }

  /** Calls `listener` after every refresh, until the returned function is called. */
  onRefresh(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks the cluster now; calls at the same time share one question. @throws LogUnavailableError */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
  }

  /** Refreshes in the background, again and again until it succeeds. */
  requestRefresh(): void {
    this.#refreshLoop ??= this.#refreshUntilDone().finally(() => (this.#refreshLoop = undefined));
  }

  async close(): Promise<void> {
    this.#stopAging();
    this.#listeners.clear();
    await this.#refreshLoop;
  }

  async #refreshUntilDone(): Promise<void> {
    const { clock, closing } = this.#options;
    for (let attempt = 1; !closing.aborted; attempt += 1) {
      try {
        await this.refresh();
        return;
      } catch {
        // `refresh` has told the health; only the end of the log ends the attempts.
        await sleepUnlessClosed(clock, backoffMs(attempt), closing).catch(() => undefined);
      }
    }
  }

  async #refresh(): Promise<void> {
    const { connections, health, topic } = this.#options;
    try {
      const connection = await connections.any();
      const metadata = await connection.send(metadataRequest(topic));
      connections.setNodes(metadata.nodes);
      if (metadata.topicErrorCode !== ErrorCode.none) {
        throw new LogUnavailableError(topicProblem(topic, metadata.topicErrorCode));
      }
      const leaders = metadata.partitions.map((p) => [p.partition, p.leader] as const);
      this.#leaders = new Map(leaders.toSorted(([a], [b]) => a - b));
    } catch (error) {
      if (!(error instanceof LogClosedError)) health.failed('metadata', messageOf(error));
      throw error;
    }
    health.worked('metadata');
    for (const listener of this.#listeners) listener();
  }
}

function topicProblem(topic: string, errorCode: number): string {
  if (errorCode === ErrorCode.unknownTopicOrPartition) {
    return `Kafka has no topic ${topic}: create it, or correct KAFKA_TOPIC`;
  }
  return `Kafka cannot tell about topic ${topic}: ${describeErrorCode(errorCode)}`;
}
