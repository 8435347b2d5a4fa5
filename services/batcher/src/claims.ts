import {
  messageOf,
  type Assignment,
  type ClaimedPartition,
  type Logger,
  type PartitionBounds,
} from '@trailpush/core';
import { findCut } from '@trailpush/log';
import type { Metrics } from '@trailpush/runtime';
import type { OpenJob } from './open-job.ts';
import { Partition, type PartitionEnd } from './partition.ts';
import type { Shared } from './shared.ts';
import { LostPartitionError } from './store-turns.ts';
import { Wakeup } from './wakeup.ts';

const RECLAIM_MS = 1000;
/** Between two processes that both take a partition for theirs, so that each gets something done. */
const MAX_RECLAIM_MS = 30_000;
/** A partition that a person must look at is tried again this often, since the person may have done so. */
const RECHECK_STOPPED_MS = 60_000;
const REMEDY =
  'look at it with `trailpush topic check`, then start it anew with `trailpush topic accept`';
/** A partition that was given up for an error, and held on to for so long since then, is well. */
const TROUBLE_IS_OVER_MS = 60_000;
/** Elections and restarts of what a claim needs pass within seconds. */
const CLAIM_PATIENCE_MS = 10_000;

/** A partition that the group has assigned to us, until it assigns it away. */
interface Holding {
  readonly number: number;
  readonly released: AbortController;
  partition: Partition | undefined;
  /** Why a person must look at it. */
  stopped: string | undefined;
  /** What ended it last, if that was nothing that just happens. */
  trouble: string | undefined;
  /** Since when it could not be claimed, and why. */
  unclaimed: { readonly sinceMs: number; readonly reason: string } | undefined;
  claimedAtMs: number;
}

/** Takes what the group assigns, serves it, and gives it back: one loop for each assigned partition. */
export class Claims {
  readonly #shared: Shared;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #freshJobs: () => Promise<ReadonlyMap<number, OpenJob>>;
  readonly #holdings = new Map<number, Holding>();
  readonly #work = new Set<Promise<void>>();
  #isClosing = false;
  #bounds: Promise<readonly PartitionBounds[]> | undefined;

  constructor(options: {
    shared: Shared;
    metrics: Metrics;
    /** The jobs as they are stored now or later: what was read before does not do. Kept up to date. */
    freshJobs: () => Promise<ReadonlyMap<number, OpenJob>>;
  }) {
    this.#shared = options.shared;
    this.#metrics = options.metrics;
    this.#logger = options.shared.logger;
    this.#freshJobs = options.freshJobs;
  }

  /** Partitions that are served at the moment, by number. */
  get served(): ReadonlyMap<number, Partition> {
    const served = new Map<number, Partition>();
    for (const { number, partition } of this.#holdings.values()) {
      if (partition) served.set(number, partition);
    }
    return served;
  }

  /** Undefined while all is well, else a sentence for `/readyz`. */
  health(): string | undefined {
    const nowMs = this.#shared.clock.monotonic();
    for (const { number, stopped, trouble, unclaimed, claimedAtMs } of this.#holdings.values()) {
      if (stopped !== undefined) return `partition ${number} is stopped: ${stopped}`;
      if (unclaimed && nowMs - unclaimed.sinceMs >= CLAIM_PATIENCE_MS) {
        return `partition ${number} cannot be claimed: ${unclaimed.reason}`;
      }
      const isOver = nowMs - claimedAtMs > TROUBLE_IS_OVER_MS;
      if (trouble !== undefined && !isOver) return `partition ${number} was given up: ${trouble}`;
    }
    return undefined;
  }

  /** Synchronous as far as it matters: what is not ours any more is void when this returns. */
  assign({ generation, partitions }: Assignment): void {
    if (this.#isClosing) return;
    this.#metrics.reading.rebalances.inc();
    this.#logger.info({ generation, partitions }, 'partitions were assigned');
    const assigned = new Set(partitions);
    for (const [number, holding] of this.#holdings) {
      if (assigned.has(number)) continue;
      this.#holdings.delete(number);
      holding.released.abort();
    }
    for (const number of partitions) {
      const holding = this.#holdings.get(number);
      if (holding) this.#remember(this.#confirm(holding));
      else this.#remember(this.#hold(number));
    }
  }

  /** Looks whether the log still is the one that was read. @throws nothing: what is away is asked later */
  async checkLog(): Promise<void> {
    for (const [number, partition] of this.served) {
      try {
        await partition.checkLog(() => this.#boundsOf(number));
      } catch (error) {
        const fields = { partition: number, error: messageOf(error) };
        this.#logger.debug(fields, 'the log could not be checked');
      }
    }
  }

  /** Nothing new is read or claimed; what is being sent goes on. */
  stopReading(): void {
    this.#isClosing = true;
    for (const partition of this.served.values()) partition.stopReading();
  }

  /** Gives everything back. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const { released } of this.#holdings.values()) released.abort();
    await Promise.all(this.#work);
    this.#holdings.clear();
  }

  /** Claims and serves, again and again, until the partition is assigned away. */
  async #hold(number: number): Promise<void> {
    const released = new AbortController();
    const { signal } = released;
    const holding: Holding = {
      ...{ number, released, claimedAtMs: 0 },
      ...{ partition: undefined, stopped: undefined, trouble: undefined, unclaimed: undefined },
    };
    this.#holdings.set(number, holding);
    let pauseMs = RECLAIM_MS;
    while (!signal.aborted && !this.#isClosing) {
      const startedMs = this.#shared.clock.monotonic();
      try {
        const error = await this.#claimAndServe(holding);
        if (error !== undefined) this.#lost(holding, error);
        const heldMs = this.#shared.clock.monotonic() - startedMs;
        const wasShort = error !== undefined && heldMs < MAX_RECLAIM_MS;
        pauseMs = wasShort ? Math.min(MAX_RECLAIM_MS, pauseMs * 2) : RECLAIM_MS;
      } catch (error) {
        const reason = messageOf(error);
        holding.unclaimed = { sinceMs: holding.unclaimed?.sinceMs ?? startedMs, reason };
        const fields = { partition: number, error: reason };
        this.#logger.warn(fields, 'a partition cannot be claimed yet');
        pauseMs = RECLAIM_MS;
      }
      if (holding.stopped !== undefined) pauseMs = RECHECK_STOPPED_MS;
      await this.#shared.clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }

  /** Resolves when the partition was given back, cannot be served, or was lost: then with the error. */
  async #claimAndServe(holding: Holding): Promise<unknown> {
    const { number, released } = holding;
    const bounds = await this.#boundsOf(number);
    const taken = await this.#claim(number, undefined, bounds.start);
    const cut = await findCut(this.#shared.log, taken, bounds, released.signal);
    // After the claim: of a job without a cursor row, only its last owner and the store know. Whoever
    // goes on without it leaves behind what it is owed.
    const jobs = await this.#freshJobs();
    // Assigned away while we were asking: the next owner raises the epoch again.
    if (released.signal.aborted || this.#isClosing) return undefined;
    if (cut !== undefined) {
      this.#stopped(holding, cut);
      return undefined;
    }
    holding.stopped = undefined;
    // The rows once more: a job that is new since the claim begins where its row says, and only there.
    const known = [...jobs.values()];
    const claim = await this.#claim(number, taken.epoch, bounds.start);
    if (!claim.kept) return new LostPartitionError();
    const end = await this.#serve(holding, { known, jobs }, { claim, bounds });
    if (end?.kind === 'stopped') this.#stopped(holding, end.reason);
    return end?.kind === 'lost' ? end.error : undefined;
  }

  /** Serves until the partition ends by itself, or is released: then there is no end to tell of. */
  async #serve(
    holding: Holding,
    { known, jobs }: { known: readonly OpenJob[]; jobs: ReadonlyMap<number, OpenJob> },
    at: { claim: ClaimedPartition; bounds: PartitionBounds },
  ): Promise<PartitionEnd | undefined> {
    const { number, released } = holding;
    const { claim, bounds } = at;
    const { epoch, liveFrom } = claim;
    const label = { partition: String(number) };
    const ending = new Wakeup();
    let end: PartitionEnd | undefined;
    const partition = new Partition({
      claim,
      logEnd: bounds.end,
      shared: this.#shared,
      onEnd: (how) => {
        end = how;
        ending.notify();
      },
    });
    holding.partition = partition;
    holding.unclaimed = undefined;
    holding.claimedAtMs = this.#shared.clock.monotonic();
    this.#metrics.reading.epoch.set(label, epoch);
    this.#logger.info({ partition: number, epoch, liveFrom }, 'a partition was claimed');
    try {
      const ended = ending.wait(released.signal);
      partition.start(known);
      // Of those that came while the rows were on their way, only the store knows where they begin.
      partition.reviseJobs(jobs);
      await ended;
    } finally {
      holding.partition = undefined;
      // Assigned anew meanwhile, the next one has set them.
      if (!this.#holdings.get(number)?.partition) {
        this.#metrics.reading.epoch.remove(label);
        this.#metrics.reading.partitionLagRecords.remove(label);
      }
      await partition.stop();
    }
    return end;
  }

  /** Shared by the partitions that ask at once. */
  async #boundsOf(number: number): Promise<PartitionBounds> {
    this.#bounds ??= this.#shared.log.bounds().finally(() => (this.#bounds = undefined));
    const bounds = await this.#bounds;
    const found = bounds.find(({ partition }) => partition === number);
    if (!found) throw new Error(`the log does not know partition ${number}`);
    return found;
  }

  #claim(
    partition: number,
    heldEpoch: number | undefined,
    logStart: number,
  ): Promise<ClaimedPartition> {
    const { log, owner, progress } = this.#shared;
    return progress.claim({ topic: log.topic, partition, owner, heldEpoch, logStart });
  }

  /** After a join that left us the partition: if our epoch stands, nothing in memory is void. */
  async #confirm({ number, partition }: Holding): Promise<void> {
    if (!partition) return;
    try {
      const { kept } = await this.#claim(number, partition.epoch, partition.live.position);
      if (!kept) partition.lose(new LostPartitionError());
    } catch (error) {
      // The fence answers at the next write if we are wrong.
      const fields = { partition: number, error: messageOf(error) };
      this.#logger.warn(fields, 'the epoch could not be confirmed');
    }
  }

  #lost(holding: Holding, error: unknown): void {
    const fields = { partition: holding.number, error: messageOf(error) };
    if (error instanceof LostPartitionError) {
      this.#logger.warn(fields, 'a partition was lost');
      return;
    }
    holding.trouble = messageOf(error);
    this.#logger.error(fields, 'a partition was given up; it is taken again');
  }

  #stopped(holding: Holding, reason: string): void {
    holding.stopped = `${reason}; ${REMEDY}`;
    const fields = { partition: holding.number, reason: holding.stopped };
    this.#logger.error(fields, 'a partition is stopped until somebody looks at it');
  }

  /** Nothing that runs on its own may end unseen. */
  #remember(work: Promise<void>): void {
    const guarded = work.catch((error: unknown) => {
      this.#logger.error({ error: messageOf(error) }, 'serving a partition failed');
    });
    this.#work.add(guarded);
    void guarded.then(() => this.#work.delete(guarded));
  }
}
