import {
  messageOf,
  type Assignment,
  type ClaimedPartition,
  type GroupMembership,
  type Logger,
  type PartitionBounds,
} from '@trailpush/core';
import type { Metrics } from '@trailpush/runtime';
import { loadFirst, type JobSet } from './job-set.ts';
import { Partition, type PartitionEnd } from './partition.ts';
import type { Shared } from './shared.ts';

export const GROUP_ID = 'trailpush-batcher';

const TICK_MS = 250;
const PIN_MS = 2000;
const RECLAIM_MS = 1000;
/** Of the 25 s that a shutdown has, what uploads under way may take. */
const DRAIN_MS = 15_000;

/**
 * The story of the batcher: join the group, claim what it assigns, serve it, store where everybody
 * stands, and give it back. Truth about progress is in the store; the group's offsets are a hint.
 */
export class Batcher {
  readonly #shared: Shared;
  readonly #jobs: JobSet;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  /** Partitions that are served, and those that are being claimed (undefined). */
  readonly #partitions = new Map<number, Partition | undefined>();
  readonly #endings = new Set<Promise<void>>();
  readonly #stops: (() => void)[] = [];
  /** Partitions that a person must look at, with the reason. */
  readonly #stopped = new Map<number, string>();
  #assigned: ReadonlySet<number> = new Set();
  #membership: GroupMembership | undefined;
  #unwatch: (() => Promise<void>) | undefined;
  #refreshing: Promise<void> = Promise.resolve();
  #pinning: Promise<void> = Promise.resolve();
  #isPinning = false;

  constructor(options: { shared: Shared; jobs: JobSet; metrics: Metrics }) {
    this.#shared = options.shared;
    this.#jobs = options.jobs;
    this.#metrics = options.metrics;
    this.#logger = options.shared.logger;
  }

  async start(): Promise<void> {
    const { clock, log, jobs } = this.#shared;
    await loadFirst(this.#jobs, clock, this.#logger, this.#stop.signal);
    this.#unwatch = await jobs.watch(() => this.#refresh());
    this.#membership = await log.joinGroup(GROUP_ID, (assignment) => this.#onAssignment(assignment));
    this.#stops.push(
      clock.every(TICK_MS, () => this.#tick()),
      clock.every(PIN_MS, () => void this.#pin()),
    );
  }

  /** Undefined while all is well, else a sentence for `/readyz`. */
  health(): string | undefined {
    const [stopped] = this.#stopped;
    if (stopped) return `partition ${stopped[0]} is stopped: ${stopped[1]}`;
    return this.#membership ? undefined : 'the batcher has not joined its group yet';
  }

  /**
   * Ends in order: nothing new is read, what is being sent may finish, cursors are stored and committed
   * while the membership still lasts. Open batches are left to the log. Safe to skip: see kill -9.
   */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#unwatch?.();
    const { clock, uploads } = this.#shared;
    const partitions = this.#served();
    for (const partition of partitions) partition.stopReading();
    const patience = new AbortController();
    await Promise.race([uploads.idle(), clock.sleep(DRAIN_MS, patience.signal).catch(() => undefined)]);
    patience.abort();
    await this.#pinning;
    await this.#pinAll();
    this.#stop.abort();
    await this.#membership?.leave();
    await Promise.all(partitions.map((partition) => partition.stop()));
    await Promise.all([this.#refreshing, ...this.#endings]);
    await this.#jobs.close();
  }

  #served(): Partition[] {
    return [...this.#partitions.values()].filter((partition) => partition !== undefined);
  }

  /** Synchronous up to the claims: what is not ours any more is void when this returns. */
  #onAssignment({ generation, partitions }: Assignment): void {
    if (this.#stop.signal.aborted) return;
    this.#metrics.reading.rebalances.inc();
    this.#logger.info({ generation, partitions }, 'partitions were assigned');
    this.#assigned = new Set(partitions);
    for (const [number, partition] of this.#partitions) {
      if (this.#assigned.has(number)) continue;
      this.#partitions.delete(number);
      this.#stopped.delete(number);
      this.#metrics.reading.epoch.remove({ partition: String(number) });
      if (partition) this.#remember(partition.stop());
    }
    for (const number of partitions) {
      if (this.#partitions.has(number)) this.#remember(this.#confirm(number));
      else this.#remember(this.#claim(number));
    }
  }

  /** Repeats until the partition is claimed or assigned away. */
  async #claim(number: number): Promise<void> {
    this.#partitions.set(number, undefined);
    while (this.#assigned.has(number) && !this.#stop.signal.aborted) {
      try {
        const bounds = await this.#boundsOf(number);
        if (bounds && (await this.#take(number, bounds))) return;
      } catch (error) {
        this.#logger.warn({ partition: number, error: messageOf(error) }, 'a partition cannot be claimed yet');
      }
      await this.#shared.clock.sleep(RECLAIM_MS, this.#stop.signal).catch(() => undefined);
    }
  }

  async #boundsOf(number: number): Promise<PartitionBounds | undefined> {
    const bounds = await this.#shared.log.bounds();
    return bounds.find(({ partition }) => partition === number);
  }

  /** False when it should be tried again. */
  async #take(number: number, bounds: PartitionBounds): Promise<boolean> {
    const claim = await this.#claimAs(number, undefined, bounds.start);
    const cut = await this.#findCut(claim, bounds);
    if (cut !== undefined) {
      this.#stopPartition(number, cut);
      return true;
    }
    // Assigned away while we were asking: the next owner raises the epoch again.
    if (!this.#assigned.has(number) || this.#stop.signal.aborted) return true;
    const partition = new Partition({
      claim,
      logEnd: bounds.end,
      shared: this.#shared,
      onEnd: (end) => this.#onEnd(number, partition, end),
    });
    this.#partitions.set(number, partition);
    this.#metrics.reading.epoch.set({ partition: String(number) }, claim.epoch);
    this.#logger.info({ partition: number, epoch: claim.epoch, liveFrom: claim.liveFrom }, 'a partition was claimed');
    partition.start(this.#jobs.jobs.values());
    return true;
  }

  #claimAs(partition: number, heldEpoch: number | undefined, logStart: number): Promise<ClaimedPartition> {
    const { log, owner, progress } = this.#shared;
    return progress.claim({ topic: log.topic, partition, owner, heldEpoch, logStart });
  }

  /**
   * The record that was read last must still be there as it was; otherwise the topic was recreated or
   * cut, and reading on would give old names to new events. Retention may have passed it: that is a gap.
   */
  async #findCut(claim: ClaimedPartition, bounds: PartitionBounds): Promise<string | undefined> {
    const { lastRead, partition } = claim;
    if (!lastRead || lastRead.offset < bounds.start) return undefined;
    const remedy = 'check the topic, then raise its incarnation to start it anew';
    if (lastRead.offset >= bounds.end) {
      return `the log ends at ${bounds.end}, and offset ${lastRead.offset} was read before; ${remedy}`;
    }
    const reader = this.#shared.log.openReader(partition, lastRead.offset);
    try {
      const { records } = await reader.read();
      const [record] = records;
      if (!record || record.offset !== lastRead.offset || record.timestampMs === lastRead.timestampMs) {
        return undefined;
      }
      return `offset ${lastRead.offset} is another record than the one that was read before; ${remedy}`;
    } finally {
      await reader.close();
    }
  }

  /** After a join that left us the partition: if our epoch stands, nothing in memory is void. */
  async #confirm(number: number): Promise<void> {
    const partition = this.#partitions.get(number);
    if (!partition) return;
    try {
      const claim = await this.#claimAs(number, partition.epoch, partition.live.position);
      if (claim.kept || this.#partitions.get(number) !== partition) return;
      this.#partitions.delete(number);
      await partition.stop();
      await this.#claim(number);
    } catch (error) {
      // The fence answers at the next write if we are wrong.
      this.#logger.warn({ partition: number, error: messageOf(error) }, 'the epoch could not be confirmed');
    }
  }

  #onEnd(number: number, partition: Partition, end: PartitionEnd): void {
    if (this.#partitions.get(number) !== partition) return;
    this.#partitions.delete(number);
    if (end.kind === 'stopped') {
      this.#stopPartition(number, messageOf(end.error));
      return;
    }
    this.#logger.warn({ partition: number, error: messageOf(end.error) }, 'a partition was lost');
    this.#remember(
      (async () => {
        await partition.stop();
        await this.#shared.clock.sleep(RECLAIM_MS, this.#stop.signal).catch(() => undefined);
        if (this.#assigned.has(number) && !this.#partitions.has(number)) await this.#claim(number);
      })(),
    );
  }

  #stopPartition(number: number, reason: string): void {
    this.#stopped.set(number, reason);
    this.#logger.error({ partition: number, reason }, 'a partition is stopped until somebody looks at it');
  }

  #refresh(): void {
    this.#refreshing = this.#refreshing.then(async () => {
      try {
        if (!(await this.#jobs.refresh())) return;
        for (const partition of this.#served()) await partition.reviseJobs(this.#jobs.jobs);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#logger.warn({ error: messageOf(error) }, 'the jobs could not be read again');
      }
    });
  }

  #tick(): void {
    for (const partition of this.#served()) partition.tick();
    this.#observe();
  }

  /** One round at a time: a slow store delays the next one, and nothing piles up. */
  async #pin(): Promise<void> {
    if (this.#isPinning) return;
    this.#isPinning = true;
    this.#pinning = this.#pinAll().finally(() => (this.#isPinning = false));
    await this.#pinning;
  }

  async #pinAll(): Promise<void> {
    const offsets = new Map<number, number>();
    for (const [number, partition] of this.#partitions) {
      if (!partition) continue;
      const offset = await partition.pinOrEnd();
      if (offset !== undefined) offsets.set(number, offset);
    }
    try {
      await this.#membership?.commit(offsets);
    } catch (error) {
      this.#logger.warn({ error: messageOf(error) }, 'the group did not take the offsets; it will get the next ones');
    }
  }

  #observe(): void {
    const { reading } = this.#metrics;
    const served = this.#served();
    reading.inflightBytes.set(this.#shared.budget.heldBytes);
    reading.pausedPartitions.set(this.#shared.budget.waiting);
    reading.configAgeSeconds.set(this.#jobs.ageMs / 1000);
    reading.configJobCount.set(this.#jobs.jobs.size);
    for (const { live, progress } of served) {
      const partition = String(progress.ownership.partition);
      reading.partitionLagRecords.set({ partition }, Math.max(0, live.logEnd - live.position));
    }
    reading.detachedJobs.set(served.reduce((sum, partition) => sum + partition.countTracks('catch-up'), 0));
    reading.attachedJobs.set(served.reduce((sum, partition) => sum + partition.countTracks('live'), 0));
  }

  /** Nothing that runs on its own may end unseen. */
  #remember(work: Promise<void>): void {
    const guarded = work.catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#logger.error({ error: messageOf(error) }, 'giving a partition back failed');
    });
    this.#endings.add(guarded);
    void guarded.then(() => this.#endings.delete(guarded));
  }
}
