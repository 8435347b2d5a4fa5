import { randomUUID } from 'node:crypto';
import {
  messageOf,
  OutboxFullError,
  RevisionConflictError,
  type Clock,
  type Job,
  type JobStore,
  type Logger,
} from '@trailpush/core';
import type { OpenJob } from './open-job.ts';

/**
 * After a long stop of this program the first failed attempt says little: a destination must have failed
 * for so long under our own eyes, too.
 */
const MIN_WATCHED_MS = 15 * 60_000;
const HOUR_MS = 3_600_000;

/** What is told of a failed attempt. */
export interface FailedAttempt {
  readonly atMs: number;
  readonly message: string;
  /** When the first one failed since the last success, as stored. */
  readonly failingSinceMs: number;
}

/** Disables jobs whose attempts have all failed for too long. Their cursors stay. */
export class Disabling {
  readonly #jobs: JobStore;
  readonly #logger: Logger;
  readonly #afterMs: number;
  readonly #clock: Clock;

  constructor(options: {
    jobs: JobStore;
    logger: Logger;
    /** 0: never. */
    afterMs: number;
    clock: Clock;
  }) {
    this.#jobs = options.jobs;
    this.#logger = options.logger;
    this.#afterMs = options.afterMs;
    this.#clock = options.clock;
  }

  /** Called after each failed attempt that was stored. An idle job makes none, so it is never disabled. */
  async consider(open: OpenJob, failed: FailedAttempt): Promise<void> {
    const { job, health } = open;
    const failingMs = failed.atMs - failed.failingSinceMs;
    // A replay ends by itself or is cancelled.
    if (this.#afterMs === 0 || failingMs < this.#afterMs || job.replay) return;
    if (health.failingForMs < Math.min(this.#afterMs, MIN_WATCHED_MS)) return;
    try {
      await this.#disable(job, because(failed, failingMs));
    } catch (error) {
      // Somebody is at it right now; or it is tried again with the next failed attempt.
      if (error instanceof RevisionConflictError) return;
      const fields = { job: job.id, error: messageOf(error) };
      this.#logger.warn(fields, 'a job that fails could not be disabled yet');
    }
  }

  async #disable(job: Job, disabledBecause: string): Promise<void> {
    const change = {
      spec: { ...job.spec, enabled: false },
      expectedRevision: job.revision,
      ...{ contentChanged: false, start: undefined, disabledBecause },
    };
    const { accountId, id } = job;
    const line = auditLine(job, disabledBecause, this.#clock.now());
    try {
      await this.#jobs.update(accountId, id, { ...change, trail: { describe: () => line } });
    } catch (error) {
      if (!(error instanceof OutboxFullError)) throw error;
      await this.#jobs.update(accountId, id, change);
    }
    this.#logger.error({ job: id, reason: disabledBecause }, 'a job was disabled');
  }
}

/** The disabling as an audit event, in the shape of the audit API's item. */
function auditLine({ id, accountId }: Job, reason: string, nowMs: number): string {
  return JSON.stringify({
    id: randomUUID(),
    account: { id: accountId },
    action: {
      type: 'update',
      result: 'success',
      description: `Logpush job ${reason}`,
      time: new Date(nowMs).toISOString(),
    },
    actor: { type: 'system' },
    resource: { id: String(id), product: 'logpush', type: 'job' },
  });
}

function because({ failingSinceMs, message }: FailedAttempt, failingMs: number): string {
  const since = new Date(failingSinceMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const hours = Math.floor(failingMs / HOUR_MS);
  return (
    `disabled after ${hours} h, since every attempt from ${since} on had failed; its place in the log is ` +
    `kept, and it goes on from there once it is repaired and enabled. Last error: ${message}`
  );
}
