import {
  Secret,
  type ChangeTrail,
  type Clock,
  type Job,
  type JobContent,
  type JobSet,
  type JobSpec,
  type JobStore,
  type Logger,
  type ReplayOrder,
  type Start,
} from '@trailpush/core';
import type { Transaction } from 'kysely';

import { writeAnnounced } from './announced-write.ts';
import { readCounter } from './counters.ts';
import type { Database } from './database.ts';
import type { JobChanges } from './job-changes.ts';
import { jobOf, selectJob, selectJobs, selectJobsOf, type JobRow } from './job-rows.ts';
import { createJob, deleteJob, lockJob, updateJob } from './job-writes.ts';
import { numberRows } from './number-rows.ts';
import { storeTrail } from './outbox.ts';
import { cancelReplaysOf, runningReplays } from './replay-rows.ts';
import type { Tables } from './schema.ts';
import { SealBrokenError, type SecretBox } from './secret-box.ts';

export interface JobStoreOptions {
  readonly database: Database<Tables>;
  readonly box: SecretBox;
  readonly changes: JobChanges;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Jobs in SQL. */
export class SqlJobStore implements JobStore {
  readonly #database: Database<Tables>;
  readonly #box: SecretBox;
  readonly #changes: JobChanges;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor({ database, box, changes, clock, logger }: JobStoreOptions) {
    this.#database = database;
    this.#box = box;
    this.#changes = changes;
    this.#clock = clock;
    this.#logger = logger;
  }

  create(
    accountId: string,
    spec: JobSpec,
    start: Start | undefined,
    trail?: ChangeTrail,
  ): Promise<Job> {
    const nowMs = this.#clock.now();
    return this.#change(async (transaction) => {
      const id = await createJob(transaction, this.#box, { accountId, spec, start, nowMs });
      const after = await this.#readJob(transaction, accountId, id);
      await storeTrail(transaction, trail, { before: undefined, after }, nowMs);
      return after;
    });
  }

  async get(accountId: string, id: number): Promise<Job | undefined> {
    const row = await this.#database.read((database) =>
      selectJob(database, accountId, id).executeTakeFirst(),
    );
    return row && jobOf(row, this.#box);
  }

  async list(accountId: string): Promise<readonly Job[]> {
    const rows = await this.#database.read((database) =>
      selectJobsOf(database, accountId).orderBy('jobs.id').execute(),
    );
    return rows.map((row) => jobOf(row, this.#box));
  }

  update(
    accountId: string,
    id: number,
    change: Parameters<JobStore['update']>[2],
  ): Promise<Job | undefined> {
    const nowMs = this.#clock.now();
    return this.#change(async (transaction) => {
      if (!(await lockJob(transaction, accountId, id))) return undefined;
      const stored = await selectJob(transaction, accountId, id).executeTakeFirstOrThrow();
      await updateJob(transaction, this.#box, { stored, ...change, nowMs });
      const after = await this.#readJob(transaction, accountId, id);
      const before = jobOf(stored, this.#box);
      await storeTrail(transaction, change.trail, { before, after }, nowMs);
      return after;
    });
  }

  delete(
    accountId: string,
    id: number,
    trail?: ChangeTrail,
  ): Promise<{ droppedPlans: number } | undefined> {
    const nowMs = this.#clock.now();
    return this.#change(async (transaction) => {
      if (!(await lockJob(transaction, accountId, id))) return undefined;
      const stored = await selectJob(transaction, accountId, id).executeTakeFirstOrThrow();
      await cancelReplaysOf(transaction, { jobId: id, nowMs });
      const droppedPlans = await deleteJob(transaction, { stored, nowMs });
      const before = trail && this.#lastSeen(stored);
      await storeTrail(transaction, trail, { before, after: undefined }, nowMs);
      return { droppedPlans };
    });
  }

  async loadAll(): Promise<JobSet> {
    // The version first: jobs may then be newer than it, which only means that they are loaded twice.
    const version = await readCounter(this.#database, 'job_changes');
    const rows = await this.#database.read((database) =>
      selectJobs(database).orderBy('jobs.id').execute(),
    );
    const replays = await this.#database.read((database) => runningReplays(database));
    // A replay that has ended between the two is not there any more.
    const present = rows.filter(({ id, replay_of }) => replay_of === null || replays.has(id));
    return { version, jobs: present.flatMap((row) => this.#readable(row, replays.get(row.id))) };
  }

  async loadContent(jobId: number, contentRevision: number): Promise<JobContent | undefined> {
    const row = await this.#database.read((database) =>
      database
        .selectFrom('job_revisions')
        .select(['dataset', 'filter', 'output_options', 'logpull_options'])
        .where('job_id', '=', jobId)
        .where('content_revision', '=', contentRevision)
        .orderBy('revision')
        .limit(1)
        .executeTakeFirst(),
    );
    return (
      row && {
        dataset: row.dataset,
        filter: row.filter,
        outputOptions: row.output_options,
        logpullOptions: row.logpull_options,
      }
    );
  }

  async deletedAmong(ids: readonly number[]): Promise<ReadonlySet<number>> {
    const rows = await this.#database.read((database) =>
      database
        .selectFrom('job_deletions')
        .innerJoin(
          numberRows(
            database,
            ['job_id'],
            ids.map((id) => [id]),
          ).as('asked'),
          'asked.job_id',
          'job_deletions.job_id',
        )
        .select('job_deletions.job_id')
        .execute(),
    );
    return new Set(rows.map(({ job_id }) => job_id));
  }

  watch(onChange: () => void): Promise<() => Promise<void>> {
    return this.#changes.watch(onChange);
  }

  #change<Result>(change: (transaction: Transaction<Tables>) => Promise<Result>): Promise<Result> {
    return writeAnnounced({ database: this.#database, changes: this.#changes }, change);
  }

  async #readJob(transaction: Transaction<Tables>, accountId: string, id: number): Promise<Job> {
    const row = await selectJob(transaction, accountId, id).executeTakeFirstOrThrow();
    return jobOf(row, this.#box);
  }

  /** A job that is being deleted, also one whose seal is broken: deleting it is the remedy. */
  #lastSeen(row: JobRow): Job {
    try {
      return jobOf(row, this.#box);
    } catch (error) {
      if (!(error instanceof SealBrokenError)) throw error;
      return jobOf(row, { open: () => new Secret('') });
    }
  }

  /** One damaged job must not stop all others: it is missing from the set, which raises an alarm. */
  #readable(row: JobRow, replay: ReplayOrder | undefined): Job[] {
    try {
      return [jobOf(row, this.#box, replay)];
    } catch (error) {
      if (!(error instanceof SealBrokenError)) throw error;
      this.#logger.error(
        { job: row.id, err: error },
        'a job cannot be loaded: delete it and create it again',
      );
      return [];
    }
  }
}
