import type { Clock, PartitionReader } from '@trailpush/core';
import type { Connections } from './connections.ts';
import { FetchLoop } from './fetch-loop.ts';
import type { KafkaHealth } from './health.ts';
import { withoutLeader } from './offsets.ts';
import { KafkaReader } from './reader.ts';
import type { TopicView } from './topic-view.ts';

/** What all readers together may hold ahead of their lanes, and the share of one. */
const readAheadBytes = 64 * 1024 * 1024;
const maxPartitionBytes = 1024 * 1024;
const minPartitionBytes = 64 * 1024;
/** How often partitions without a leader are looked for. */
const lookoutMs = 1_000;

export interface FetcherOptions {
  readonly topic: TopicView;
  readonly connections: Connections;
  readonly health: KafkaHealth;
  readonly clock: Clock;
  readonly closing: AbortSignal;
}

/**
 * Reads partitions without a consumer group. kafkajs' consumer is not used: when an offset is out of
 * range it silently goes on elsewhere and commits that, and every join makes it read again.
 */
export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #readers = new Set<KafkaReader>();
  readonly #loops = new Map<number, { readonly loop: FetchLoop; readonly ended: Promise<void> }>();
  readonly #stopLookout: () => void;

  constructor(options: FetcherOptions) {
    this.#options = options;
    options.topic.onRefresh(() => {
      this.#startLoops();
      for (const { loop } of this.#loops.values()) loop.wake.notify();
    });
    this.#stopLookout = options.clock.every(lookoutMs, () => this.#lookOut());
  }

  open(partition: number, offset: number): PartitionReader {
    const reader = new KafkaReader({ partition, offset }, this.#options.clock, (changed) => {
      if (changed.closed) this.#forget(changed);
      this.#wake(changed.partition);
    });
    this.#readers.add(reader);
    this.#startLoops();
    this.#wake(partition);
    return reader;
  }

  async close(): Promise<void> {
    this.#stopLookout();
    await Promise.all([...this.#readers].map((reader) => reader.close()));
    for (const { loop } of this.#loops.values()) loop.wake.notify();
    await Promise.all([...this.#loops.values()].map(({ ended }) => ended));
  }

  #startLoops(): void {
    for (const { partition } of this.#readers) {
      const nodeId = this.#options.topic.leaderOf(partition);
      if (nodeId === undefined || this.#loops.has(nodeId)) continue;
      const loop = new FetchLoop({
        ...this.#options,
        nodeId,
        readers: () => [...this.#readers].filter((reader) => this.#leads(nodeId, reader)),
        maxPartitionBytes: () => this.#partitionBytes(),
      });
      this.#loops.set(nodeId, { loop, ended: loop.run() });
    }
  }

  #leads(nodeId: number, reader: KafkaReader): boolean {
    return this.#options.topic.leaderOf(reader.partition) === nodeId;
  }

  #partitionBytes(): number {
    const share = Math.floor(readAheadBytes / Math.max(1, this.#readers.size));
    return Math.max(minPartitionBytes, Math.min(maxPartitionBytes, share));
  }

  #wake(partition: number): void {
    const nodeId = this.#options.topic.leaderOf(partition);
    if (nodeId !== undefined) this.#loops.get(nodeId)?.loop.wake.notify();
  }

  #forget(reader: KafkaReader): void {
    this.#readers.delete(reader);
    const others = [...this.#readers].some(({ partition }) => partition === reader.partition);
    if (!others) this.#options.health.worked(`partition ${reader.partition}`);
  }

  /** No loop sees a reader whose partition nobody leads. */
  #lookOut(): void {
    const { topic, health } = this.#options;
    for (const { partition } of this.#readers) {
      if (topic.leaderOf(partition) !== undefined) continue;
      topic.requestRefresh();
      if (topic.partitions.length > 0) {
        health.failed(`partition ${partition}`, withoutLeader(topic, partition));
      }
    }
  }
}
