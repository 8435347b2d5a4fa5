import {
  messageOf,
  type AttemptResult,
  type BuildDigest,
  type Clock,
  type DigestPlace,
  type DigestStore,
  type DueChain,
  type Job,
  type JobStore,
  type Logger,
  type StoredDigest,
} from '@trailpush/core';
import { backoffMs, type Metrics } from '@trailpush/runtime';

const LOOK_MS = 15_000;
/** Digests under way; others wait in the store. */
const MAX_RUNNING = 16;
/** Of one attempt. They are small, and a store that hangs must not hold up those of other jobs. */
const PUT_DEADLINE_MS = 30_000;
/** Longer than one takes with all its calls of the store. Two at one digest write the same bytes. */
const LEASE_MS = 5 * 60_000;
/** A process that dies with a lease must not leave a chain without digests for long. */
const LEASE_INTERVALS = 10;
const RETRY = { baseMs: 60_000, capMs: 3_600_000 };
/** About 1.5 MB. */
const MAX_ROWS = 5_000;

/** Where a job's digests go. */
export interface DigestTarget {
  readonly place: DigestPlace;
  /** False: a receiver, which keeps no files, so that its digests stay in the store. */
  readonly isStore: boolean;
  /** One attempt; never throws for what happens outside. */
  put(digest: StoredDigest, signal: AbortSignal): Promise<AttemptResult>;
}

export interface DigestWriterOptions {
  readonly digests: DigestStore;
  readonly jobs: Pick<JobStore, 'get'>;
  /** Throws when the job's destination is not acceptable (any more). */
  readonly targetOf: (job: Job) => DigestTarget;
  /** `hasKeys`: objects are told apart by their idempotency keys. */
  readonly builderOf: (hasKeys: boolean) => BuildDigest;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics['digests'];
  readonly random: () => number;
}

/**
 * Brings the digests of all jobs to their places: each job's in its own minute of the interval, so that they are
 * spread. Several processes share the work. It fails no job and is in nobody's way.
 */
export class DigestWriter {
  readonly #options: DigestWriterOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #unschedule: (() => void) | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: DigestWriterOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, intervalMs } = this.#options;
    const lookMs = Math.max(250, Math.min(LOOK_MS, intervalMs / 4));
    this.#unschedule = clock.every(lookMs, () => this.#look());
  }

  /** What is under way is cut short, and made again by the next process. */
  async stop(): Promise<void> {
    this.#unschedule?.();
    this.#stop.abort(new Error('the program ends'));
    await this.#looking;
    await Promise.all(this.#running);
  }

  #look(): void {
    if (this.#stop.signal.aborted) return;
    this.#looking ??= this.#takeDue().finally(() => (this.#looking = undefined));
  }

  async #takeDue(): Promise<void> {
    const { digests, clock, logger, intervalMs } = this.#options;
    const limit = MAX_RUNNING - this.#running.size;
    if (limit === 0) return;
    try {
      const chains = await digests.takeDue({
        ...{ nowMs: clock.now(), limit },
        leaseMs: Math.min(LEASE_MS, LEASE_INTERVALS * intervalMs),
        // A new job has nothing to tell at first.
        firstAfterMs: (jobId) => Math.floor(((1 + 3 * shareOf(jobId)) / 4) * intervalMs),
      });
      for (const chain of chains) this.#run(chain, chains.length === limit);
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'digests cannot be made at the moment');
    }
  }

  /** `isFull`: there may be more that are due, so that nobody should wait for the next look. */
  #run(chain: DueChain, isFull: boolean): void {
    const running = this.#work(chain)
      .catch((error: unknown) => this.#fail(chain, messageOf(error)))
      .finally(() => {
        this.#running.delete(running);
        if (isFull) this.#look();
      });
    this.#running.add(running);
  }

  async #work(chain: DueChain): Promise<void> {
    const { digests, jobs, targetOf, builderOf, intervalMs, clock } = this.#options;
    const { jobId, accountId } = chain;
    const job = await jobs.get(accountId, jobId);
    const target = job && targetOf(job);
    const isKept = target?.isStore !== true;
    const digest = await digests.next(jobId, {
      ...{ nowMs: clock.now(), place: target?.place, maxRows: MAX_ROWS },
      ...{ isKept, build: builderOf(isKept) },
    });
    if (digest === undefined) {
      // A job that is gone has nothing more to say, ever.
      await digests.schedule(jobId, job ? clock.now() + intervalMs : null, 0);
      return;
    }
    const { place } = digest;
    // A job that has moved leaves one behind that could not be written any more.
    const isWritten = target?.isStore === true && isSamePlace(place, target.place);
    if (isWritten && !(await this.#put(chain, target, digest))) return;
    await digests.settle(jobId, digest.sequence, isWritten);
    this.#options.metrics.made.inc({ result: isWritten ? 'written' : 'kept' });
    const nowMs = clock.now();
    // A deleted job may have more, and is looked at once again; nothing then ends it.
    const dueAtMs = digest.isPart || !job ? nowMs : Math.max(nowMs, digest.toMs + intervalMs);
    await digests.schedule(jobId, dueAtMs, 0);
  }

  async #put(chain: DueChain, target: DigestTarget, digest: StoredDigest): Promise<boolean> {
    const patience = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, patience.signal]);
    this.#options.clock.sleep(PUT_DEADLINE_MS, signal).then(
      () => patience.abort(new Error(`no answer within ${PUT_DEADLINE_MS} ms`)),
      () => undefined,
    );
    try {
      const { verdict, message } = await target.put(digest, signal);
      if (verdict.kind === 'delivered') return true;
      await this.#fail(chain, message ?? verdict.kind);
      return false;
    } finally {
      patience.abort();
    }
  }

  async #fail({ jobId, tries }: DueChain, error: string): Promise<void> {
    const { digests, clock, logger, metrics, random } = this.#options;
    if (this.#stop.signal.aborted) return;
    metrics.made.inc({ result: 'failed' });
    logger.warn({ job: jobId, tries, error }, 'a digest could not be written, and is tried again');
    const waitMs = backoffMs(tries + 1, { ...RETRY, random });
    await digests.schedule(jobId, clock.now() + waitMs, tries + 1).catch((failure: unknown) => {
      // Its lease ends, and then it is due again.
      logger.warn({ job: jobId, error: messageOf(failure) }, 'a digest could not be put off');
    });
  }
}

function isSamePlace(one: DigestPlace | null, other: DigestPlace): boolean {
  return one?.location === other.location && one.folder === other.folder;
}

/** Uniform in [0, 1) over neighbouring ids (Knuth's multiplicative hash). */
function shareOf(jobId: number): number {
  return (Math.imul(jobId, 2_654_435_761) >>> 0) / 2 ** 32;
}
