import { messageOf, type Clock, type GroupMembership, type Logger } from '@trailpush/core';
import type { Metrics } from '@trailpush/runtime';
import { isAborted } from './abort.ts';
import type { AttemptRecorder } from './attempt-recorder.ts';
import { Claims } from './claims.ts';
import { Gauges } from './gauges.ts';
import { JobRefresher } from './job-refresher.ts';
import type { JobSet } from './job-set.ts';
import type { Shared } from './shared.ts';

export const GROUP_ID = 'trailpush-batcher';

const TICK_MS = 250;
const PIN_MS = 2000;
const OBSERVE_MS = 5000;
const RECORD_ATTEMPTS_MS = 10_000;
const CHECK_LOG_MS = 15_000;
const NOT_WHOLE =
  'jobs are missing from the store without a record of their deletion: bring their rows back, or start the batcher anew to go on without them';
/** Of the 25 s that a shutdown has: what uploads under way, the last cursors and leaving may take. */
const DRAIN_MS = 15_000;
const LAST_PIN_MS = 3000;
const LEAVE_MS = 3000;
const CLOSE_MS = 1000;
const DRAIN_LOOK_MS = 50;

/**
 * The story of the batcher: join the group, claim what it assigns, serve it, store where everybody
 * stands, and give it back. Truth about progress is in the store; the group's offsets are a hint.
 */
export class Batcher {
  readonly #shared: Shared;
  readonly #clock: Clock;
  readonly #jobs: JobSet;
  readonly #refresher: JobRefresher;
  readonly #logger: Logger;
  readonly #claims: Claims;
  readonly #gauges: Gauges;
  readonly #attempts: AttemptRecorder;
  readonly #stop = new AbortController();
  readonly #stops: (() => void)[] = [];
  #membership: GroupMembership | undefined;
  #unwatch: (() => Promise<void>) | undefined;
  #pinning: Promise<void> | undefined;
  #checking: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: {
    shared: Shared;
    jobs: JobSet;
    metrics: Metrics;
    attempts: AttemptRecorder;
  }) {
    const { shared, jobs, metrics } = options;
    this.#shared = shared;
    this.#attempts = options.attempts;
    this.#clock = shared.clock;
    this.#jobs = jobs;
    this.#logger = shared.logger;
    this.#refresher = new JobRefresher({
      read: () => this.#readJobs(),
      clock: shared.clock,
      logger: shared.logger,
      signal: this.#stop.signal,
    });
    this.#claims = new Claims({
      shared,
      metrics,
      freshJobs: async () => {
        await this.#refresher.refresh();
        if (!jobs.isWhole) throw new Error(NOT_WHOLE);
        return jobs.jobs;
      },
    });
    this.#gauges = new Gauges({ metrics, shared, jobs, claims: this.#claims });
  }

  /** Resolves when the group was joined. While the stores are away, nothing is served, and it waits. */
  async start(): Promise<void> {
    const { log, jobs } = this.#shared;
    const { signal } = this.#stop;
    await this.#refresher.refresh();
    if (signal.aborted) return;
    this.#unwatch = await jobs.watch(() => void this.#refresher.refresh());
    // For what changed between the two.
    void this.#refresher.refresh();
    const membership = await log.joinGroup(GROUP_ID, (assignment) => {
      this.#claims.assign(assignment);
    });
    this.#membership = membership;
    if (isAborted(signal)) {
      // Stopped meanwhile, which could not wait for this.
      await Promise.allSettled([this.#unwatch(), membership.leave()]);
      return;
    }
    this.#stops.push(
      this.#clock.every(TICK_MS, () => this.#tick()),
      this.#clock.every(PIN_MS, () => void this.#pin()),
      this.#clock.every(OBSERVE_MS, () => this.#gauges.observeJobs()),
      this.#clock.every(RECORD_ATTEMPTS_MS, () => void this.#attempts.flush()),
      this.#clock.every(CHECK_LOG_MS, () => void this.#checkLog()),
    );
  }

  /** Undefined while all is well, else a sentence for `/readyz`. */
  health(): string | undefined {
    if (!this.#membership) return 'the batcher has not joined its group yet';
    return this.#claims.health();
  }

  /**
   * Ends in order: nothing new is read, what is being sent may finish, cursors are stored and committed
   * while the membership still lasts. Open batches are left to the log. Safe to skip: see kill -9.
   * Takes 25 s at most, also while stores and destinations are away.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    for (const stop of this.#stops) stop();
    this.#claims.stopReading();
    await this.#within(CLOSE_MS, 'the jobs are still watched', this.#unwatch?.());
    await this.#drain();
    await this.#within(LAST_PIN_MS, 'the last cursors could not be stored', this.#lastPin());
    await this.#within(CLOSE_MS, 'the last attempts are not kept', this.#attempts.flush());
    await this.#within(LEAVE_MS, 'the group could not be left', this.#membership?.leave());
    await this.#within(CLOSE_MS, 'partitions were left as they were', this.#claims.close());
    await this.#within(CLOSE_MS, 'destinations are still open', this.#jobs.close());
  }

  /** Waits for deliveries whose destinations are well. */
  async #drain(): Promise<void> {
    const deadlineMs = this.#clock.monotonic() + DRAIN_MS;
    const isDelivering = () => [...this.#claims.served.values()].some((of) => of.isDelivering);
    while (isDelivering() && this.#clock.monotonic() < deadlineMs) {
      await this.#clock.sleep(DRAIN_LOOK_MS);
    }
  }

  async #lastPin(): Promise<void> {
    await this.#pinning;
    await this.#pinAll();
  }

  /** What a shutdown cannot finish in time is left to the next start. */
  async #within(ms: number, otherwise: string, work: Promise<void> | undefined): Promise<void> {
    const patience = new AbortController();
    const timeout = this.#clock.sleep(ms, patience.signal).then(
      () => this.#logger.warn({ afterMs: ms }, otherwise),
      () => undefined,
    );
    const guarded = Promise.resolve(work).catch((error: unknown) => {
      this.#logger.warn({ error: messageOf(error) }, otherwise);
    });
    await Promise.race([guarded, timeout]);
    patience.abort();
  }

  async #readJobs(): Promise<void> {
    const gone = await this.#jobs.refresh();
    if (this.#stop.signal.aborted) return;
    for (const { job } of gone) this.#shared.telemetry.forget(job.id);
    for (const partition of this.#claims.served.values()) partition.reviseJobs(this.#jobs.jobs);
  }

  #tick(): void {
    for (const partition of this.#claims.served.values()) {
      try {
        partition.tick();
      } catch (error) {
        partition.lose(error);
      }
    }
    this.#gauges.observe();
  }

  /** One round at a time. */
  #checkLog(): Promise<void> {
    this.#checking ??= this.#claims.checkLog().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  /** One round at a time: a slow store delays the next one, and nothing piles up. */
  #pin(): Promise<void> {
    this.#pinning ??= this.#pinAll().finally(() => (this.#pinning = undefined));
    return this.#pinning;
  }

  async #pinAll(): Promise<void> {
    const offsets = new Map<number, number>();
    const pins = Array.from(this.#claims.served, async ([number, partition]) => {
      try {
        offsets.set(number, await partition.pin());
      } catch (error) {
        partition.lose(error);
      }
    });
    await Promise.all(pins);
    try {
      if (offsets.size > 0) await this.#membership?.commit(offsets);
    } catch (error) {
      const fields = { error: messageOf(error) };
      this.#logger.warn(fields, 'the group did not take the offsets; it will get the next ones');
    }
  }
}
