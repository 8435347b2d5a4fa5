import { messageOf, type Clock, type Job, type JobStore, type Logger } from '@trailpush/core';
import type { Destination, ParsedDestination } from '@trailpush/core';
import type { ContentCompiler } from './content.ts';
import { JobHealth } from './job-health.ts';
import { batchLimits, placeOf, type OpenJob, type Service } from './open-job.ts';

/** Opens what a job's destination_conf names. Throws when the conf is not acceptable (any more). */
export type OpenDestination = (job: Job) => {
  place: ParsedDestination;
  destination: Destination;
};

export interface JobSetOptions {
  readonly store: JobStore;
  readonly contents: ContentCompiler;
  readonly openDestination: OpenDestination;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Told of a job that this process cannot serve as it is stored. */
  readonly onUnservable: (open: OpenJob, message: string) => void;
}

/**
 * The jobs as this process serves them, kept in step with the store. An empty or shrunken set is never
 * simply obeyed: a job goes only when there is a record of its deletion.
 */
export class JobSet {
  readonly #options: JobSetOptions;
  readonly #open = new Map<number, OpenJob>();
  #loadedAtMs = Number.NEGATIVE_INFINITY;
  #isWhole = true;

  constructor(options: JobSetOptions) {
    this.#options = options;
  }

  /** Jobs that have a place in the log, served or not. */
  get jobs(): ReadonlyMap<number, OpenJob> {
    return this.#open;
  }

  /**
   * False while jobs are missing from the store without a record of their deletion: then others may be
   * missing too, of which this process never heard.
   */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Time since the jobs were last read from the store. */
  get ageMs(): number {
    return this.#options.clock.monotonic() - this.#loadedAtMs;
  }

  /** Reads the set again. Returns the jobs that are gone. @throws StoreUnavailableError */
  async refresh(): Promise<readonly OpenJob[]> {
    const { store, logger, clock } = this.#options;
    const { jobs } = await store.loadAll();
    const seen = new Set(jobs.map((job) => job.id));
    const missing = [...this.#open.values()].filter(({ job }) => !seen.has(job.id));
    const ids = missing.map(({ job }) => job.id);
    const deleted = ids.length > 0 ? await store.deletedAmong(ids) : new Set<number>();
    const gone = missing.filter(({ job }) => deleted.has(job.id));
    this.#isWhole = gone.length === missing.length;
    for (const open of gone) {
      this.#open.delete(open.job.id);
      this.#close(open.service);
    }
    for (const { job } of missing) {
      if (deleted.has(job.id)) continue;
      logger.error(
        { job: job.id },
        'a job vanished without a deletion record; it is served on as it was',
      );
    }
    for (const job of jobs) if (job.wasEnabled) this.#update(job);
    this.#loadedAtMs = clock.monotonic();
    return gone;
  }

  /** Closes all destinations. */
  async close(): Promise<void> {
    const services = [...this.#open.values()].flatMap(({ service }) => service ?? []);
    this.#open.clear();
    await Promise.allSettled(services.map(({ destination }) => destination.close()));
  }

  #update(job: Job): void {
    const before = this.#open.get(job.id);
    if (before?.job.revision === job.revision && before.service) return;
    const { clock, random } = this.#options;
    const health = before?.health ?? new JobHealth(clock, random);
    const open = { job, limits: batchLimits(job), health, kind: before?.kind ?? 'unknown' };
    if (!job.spec.enabled) {
      if (before?.job.revision === job.revision) return;
      this.#open.set(job.id, { ...open, service: undefined });
      this.#close(before?.service);
      return;
    }
    try {
      const service = this.#serve(job, before);
      const { kind, maxima } = service.place;
      this.#open.set(job.id, { ...open, limits: batchLimits(job, maxima), kind, service });
      health.reset();
      // Attempts under way at the old place end as failures, and are made again at the new one.
      if (before?.service?.destination !== service.destination) this.#close(before?.service);
    } catch (error) {
      // What is served stays as it was, since that is better than nothing.
      if (!before?.service) this.#open.set(job.id, { ...open, service: undefined });
      this.#options.onUnservable({ ...open, service: undefined }, messageOf(error));
    }
  }

  /** What has not changed is taken from before. @throws when this version cannot serve the job */
  #serve(job: Job, before: OpenJob | undefined): Service {
    const { contents, openDestination } = this.#options;
    const known = before?.service;
    const content =
      known && before.job.contentRevision === job.contentRevision
        ? known.content
        : contents.compile(job.spec);
    const conf = before?.job.spec.destinationConf.reveal();
    if (known && conf === job.spec.destinationConf.reveal()) {
      return { content, place: known.place, destination: known.destination };
    }
    const { place, destination } = openDestination(job);
    return { content, place: placeOf(job, place), destination };
  }

  #close(service: Service | undefined): void {
    service?.destination.close().catch((error: unknown) => {
      const fields = { error: messageOf(error) };
      this.#options.logger.warn(fields, 'a destination could not be closed');
    });
  }
}
