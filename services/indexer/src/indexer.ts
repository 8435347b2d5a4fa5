import {
  messageOf,
  type Assignment,
  type Clock,
  type GroupMembership,
  type Logger,
} from '@trailpush/core';
import type { Metrics } from '@trailpush/runtime';
import PQueue from 'p-queue';

import { PartitionIndexer, type Shared } from './partition-indexer.ts';

export const GROUP_ID = 'trailpush-indexer';

/** Chunks of records that are decoded or stored at once: what one transaction stores, and the same ahead of it. */
const SLOTS = 12;
const COMMIT_MS = 5000;
const RETRY_MS = 1000;
/** Of the time that a shutdown has: what the batches under way and leaving may take. */
const DRAIN_MS = 5000;
const LEAVE_MS = 3000;

export interface IndexerOptions extends Omit<Shared, 'slots' | 'metrics'> {
  readonly metrics: Metrics;
}

interface Held {
  readonly released: AbortController;
  readonly work: Promise<void>;
  indexer: PartitionIndexer | undefined;
  trouble: string | undefined;
}

/**
 * From the log to the audit store. Truth about progress is in the store, where the position moves with
 * the events; the group only spreads partitions over processes, and its offsets are a hint. Safe to
 * kill at any moment.
 */
export class Indexer {
  readonly #shared: Shared;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #held = new Map<number, Held>();
  readonly #stop = new AbortController();
  #membership: GroupMembership | undefined;
  #stopCommits: () => void = () => undefined;

  constructor({ metrics, ...options }: IndexerOptions) {
    this.#shared = {
      ...options,
      metrics: metrics.indexing,
      slots: new PQueue({ concurrency: SLOTS }),
    };
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Resolves when the group was joined. */
  async start(): Promise<void> {
    const membership = await this.#shared.log.joinGroup(GROUP_ID, (assignment) => {
      this.#assign(assignment);
    });
    if (this.#stop.signal.aborted) {
      await membership.leave();
      return;
    }
    this.#membership = membership;
    this.#stopCommits = this.#clock.every(COMMIT_MS, () => void this.#commit());
  }

  /** Undefined while all is well, else a sentence for `/readyz`. */
  health(): string | undefined {
    if (!this.#membership) return 'the indexer has not joined its group yet';
    for (const [partition, { trouble, indexer }] of this.#held) {
      if (trouble === undefined || indexer?.isReading === true) continue;
      return `partition ${partition} is not indexed: ${trouble}`;
    }
    return undefined;
  }

  /** Batches under way may finish; the rest is left to the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stopCommits();
    const works = Array.from(this.#held.values(), ({ work }) => work);
    for (const { released } of this.#held.values()) released.abort();
    await this.#within(DRAIN_MS, Promise.all(works));
    await this.#within(LEAVE_MS, this.#commit());
    await this.#within(LEAVE_MS, this.#membership?.leave());
  }

  #assign({ generation, partitions }: Assignment): void {
    if (this.#stop.signal.aborted) return;
    this.#logger.info({ generation, partitions }, 'partitions were assigned to the indexer');
    for (const [number, { released }] of this.#held) {
      if (partitions.includes(number)) continue;
      this.#held.delete(number);
      this.#shared.metrics.lagRecords.remove({ partition: String(number) });
      released.abort();
    }
    for (const number of partitions) if (!this.#held.has(number)) this.#hold(number);
  }

  #hold(number: number): void {
    const released = new AbortController();
    const held: Held = {
      released,
      // Begins in a later turn, when the rest is in place.
      work: Promise.resolve().then(() => this.#index(number, held)),
      indexer: undefined,
      trouble: undefined,
    };
    this.#held.set(number, held);
  }

  /** Again and again, until the partition is assigned away. Never rejects. */
  async #index(partition: number, held: Held): Promise<void> {
    const { signal } = held.released;
    while (!signal.aborted) {
      held.indexer = new PartitionIndexer(this.#shared, partition, signal);
      try {
        const ending = await held.indexer.run();
        held.trouble = undefined;
        if (ending === 'moved by others') {
          this.#logger.warn({ partition }, 'another process has indexed the same records');
        }
      } catch (error) {
        held.trouble = messageOf(error);
        this.#logger.warn({ partition, error: held.trouble }, 'a partition cannot be indexed yet');
      }
      await this.#clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }

  async #commit(): Promise<void> {
    const offsets = new Map<number, number>();
    for (const [number, { indexer }] of this.#held) {
      if (indexer?.position !== undefined) offsets.set(number, indexer.position);
    }
    try {
      if (offsets.size > 0) await this.#membership?.commit(offsets);
    } catch (error) {
      const fields = { error: messageOf(error) };
      this.#logger.warn(fields, 'the group did not take the offsets; it will get the next ones');
    }
  }

  async #within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
    const patience = new AbortController();
    const timeout = this.#clock.sleep(ms, patience.signal).then(
      () => this.#logger.warn({ afterMs: ms }, 'the indexer ends before its work has'),
      () => undefined,
    );
    const guarded = Promise.resolve(work).catch((error: unknown) => {
      this.#logger.warn({ error: messageOf(error) }, 'the indexer could not end in order');
    });
    await Promise.race([guarded, timeout]);
    patience.abort();
  }
}
