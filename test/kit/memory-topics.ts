import type { StoredTopic, TopicAcceptance, TopicStore } from '@trailpush/core';
import { endReplay } from './memory-replays.ts';
import type { MemoryStores, StoredPartition } from './memory-stores.ts';

/** Topics of one process, strictly after the doc comments of `TopicStore`. */
export class MemoryTopics implements TopicStore {
  readonly #stores: MemoryStores;

  constructor(stores: MemoryStores) {
    this.#stores = stores;
  }

  async read(topic: string): Promise<StoredTopic | undefined> {
    const partitions = [...this.#stores.partitions]
      .filter(([key]) => key.startsWith(`${topic}/`))
      .map(([key, { liveFrom, lastRead }]) => {
        return { partition: Number(key.slice(topic.length + 1)), liveFrom, lastRead };
      })
      .toSorted((a, b) => a.partition - b.partition);
    if (partitions.length === 0) return undefined;
    return { topic, incarnation: this.#stores.incarnations.get(topic) ?? 1, partitions };
  }

  async accept(
    topic: string,
    partitions: readonly { readonly partition: number; readonly from: number }[],
  ): Promise<TopicAcceptance> {
    let [gaps, droppedPlans] = [0, 0];
    for (const { partition, from } of partitions) {
      const stored = this.#stores.partition(topic, partition);
      if (!stored) continue;
      gaps += this.#recordGaps(topic, partition, stored);
      droppedPlans += [...stored.plans.values()].flat().length;
      stored.plans.clear();
      stored.cursors.clear();
      stored.epoch++;
      Object.assign(stored, { owner: '', liveFrom: from, lastRead: null });
    }
    const touched = new Set(partitions.map(({ partition }) => partition));
    const replays = [...this.#stores.replays.values()].filter(
      (replay) =>
        replay.state === 'running' &&
        replay.topic === topic &&
        replay.ranges.some(({ partition }) => touched.has(partition)),
    );
    for (const { id } of replays) endReplay(this.#stores, id, 'cancelled');
    const incarnation = (this.#stores.incarnations.get(topic) ?? 1) + 1;
    this.#stores.incarnations.set(topic, incarnation);
    return { incarnation, gaps, droppedPlans, cancelledReplays: replays.length };
  }

  #recordGaps(topic: string, partition: number, stored: StoredPartition): number {
    if (!stored.lastRead) return 0;
    const to = stored.lastRead.offset + 1;
    let gaps = 0;
    for (const [jobId, { job }] of this.#stores.jobs) {
      const from = stored.cursors.get(jobId)?.cursor ?? stored.liveFrom;
      if (!job.wasEnabled || job.replay || from >= to) continue;
      const possiblyDelivered = stored.plans.has(jobId);
      const reason = 'the topic was made anew or cut, and these offsets of it are gone';
      const seenAtMs = this.#stores.clock.now();
      const gap = { jobId, topic, partition, from, to, reason, possiblyDelivered, seenAtMs };
      this.#stores.gaps.push(gap);
      this.#stores.setStatus(jobId, { lastErrorMs: seenAtMs, errorMessage: reason });
      gaps++;
    }
    return gaps;
  }
}
