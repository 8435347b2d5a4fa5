import { messageOf, StoreUnavailableError, type Clock, type Destination, type Job, type JobStore, type Logger, type ParsedDestination } from '@trailpush/core';
import type { ContentCompiler } from './content.ts';
import { JobHealth } from './job-health.ts';
import { batchLimits, type OpenJob } from './open-job.ts';

/** Opens what a job's destination_conf names. Throws when the conf is not acceptable (any more). */
export type OpenDestination = (job: Job) => { place: ParsedDestination; destination: Destination };

/**
 * The jobs as this process serves them, kept in step with the store. An empty or shrunken set is never
 * simply obeyed: a job goes only when there is a record of its deletion.
 */
export class JobSet {
  readonly #store: JobStore;
  readonly #contents: ContentCompiler;
  readonly #openDestination: OpenDestination;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #open = new Map<number, OpenJob>();
  #loadedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    store: JobStore;
    contents: ContentCompiler;
    openDestination: OpenDestination;
    clock: Clock;
    logger: Logger;
    random: () => number;
  }) {
    this.#store = options.store;
    this.#contents = options.contents;
    this.#openDestination = options.openDestination;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#random = options.random;
  }

  /** Jobs that have a place in the log, enabled or not. */
  get jobs(): ReadonlyMap<number, OpenJob> {
    return this.#open;
  }

  /** Time since the jobs were last read from the store. */
  get ageMs(): number {
    return this.#clock.monotonic() - this.#loadedAtMs;
  }

  /** Reads the set again. True when something changed. @throws StoreUnavailableError */
  async refresh(): Promise<boolean> {
    const { jobs } = await this.#store.loadAll();
    const seen = new Set(jobs.map((job) => job.id));
    const missing = [...this.#open.keys()].filter((id) => !seen.has(id));
    const deleted = missing.length > 0 ? await this.#store.deletedAmong(missing) : new Set<number>();
    let changed = false;
    for (const id of missing) {
      if (deleted.has(id)) {
        await this.#close(id);
        changed = true;
      } else {
        this.#logger.error({ job: id }, 'a job vanished without a deletion record; it is served on as it was');
      }
    }
    for (const job of jobs) {
      if (job.wasEnabled && this.#open.get(job.id)?.job.revision !== job.revision) {
        changed = this.#reopen(job) || changed;
      }
    }
    this.#loadedAtMs = this.#clock.monotonic();
    return changed;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.#close(id)));
  }

  /** False when this version cannot serve the job as it is now: it is then served as it was, if it was. */
  #reopen(job: Job): boolean {
    const before = this.#open.get(job.id);
    try {
      const content =
        before && before.job.contentRevision === job.contentRevision
          ? before.content
          : this.#contents.compile(job.spec);
      const health = before?.health ?? new JobHealth(this.#clock, this.#random);
      const samePlace =
        before?.job.spec.destinationConf.reveal() === job.spec.destinationConf.reveal();
      const { place, destination } = samePlace && before ? before : this.#openDestination(job);
      this.#open.set(job.id, { job, content, limits: batchLimits(job), place, destination, health });
      health.reset();
      // Attempts under way at the old place end as failures, and are made again at the new one.
      if (before && !samePlace) void before.destination.close();
      return true;
    } catch (error) {
      this.#logger.error({ job: job.id, error: messageOf(error) }, 'a job cannot be served as it is');
      return false;
    }
  }

  async #close(id: number): Promise<void> {
    const open = this.#open.get(id);
    this.#open.delete(id);
    await open?.destination.close();
  }
}

/** Reads the set until the store answers; nothing can be served before. */
export async function loadFirst(jobs: JobSet, clock: Clock, logger: Logger, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await jobs.refresh();
      return;
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      logger.warn({ error: error.message }, 'the jobs cannot be read yet, trying again');
      await clock.sleep(1000, signal);
    }
  }
}
