import type { Job, JobContent, JobSpec } from './job.ts';
import type { ChangeTrail } from './outbox.ts';

/** The end of each partition when a job was enabled: its start there. */
export type StartOffsets = ReadonlyMap<number, number>;

/** All jobs at one moment, for batchers. */
export interface JobSet {
  /** Grows with every change of any job. */
  readonly version: number;
  readonly jobs: readonly Job[];
}

/**
 * Jobs with their immutable revisions. Every call of the API carries the account.
 * A change with a trail throws OutboxFullError or ChallengeSpentError when that cannot be stored with it.
 */
export interface JobStore {
  /**
   * Stores a job. With `start`, the job is enabled for the first time: its cursor rows are written,
   * detached, in the same transaction.
   */
  create(
    accountId: string,
    spec: JobSpec,
    start: Start | undefined,
    trail?: ChangeTrail,
  ): Promise<Job>;
  get(accountId: string, id: number): Promise<Job | undefined>;
  /** In order of id. */
  list(accountId: string): Promise<readonly Job[]>;
  /**
   * Stores the next revision; `contentChanged` also raises the content revision.
   * With `start` as in `create`: only when the job was never enabled before.
   * @throws RevisionConflictError when `expectedRevision` is not the stored one.
   */
  update(
    accountId: string,
    id: number,
    change: {
      spec: JobSpec;
      expectedRevision: number;
      contentChanged: boolean;
      start: Start | undefined;
      trail?: ChangeTrail | undefined;
      /** Set when the system disables a job: shown as its error, and told to the operator. */
      disabledBecause?: string | undefined;
    },
  ): Promise<Job | undefined>;
  /**
   * Drops the job, its cursors and open plans, and keeps a deletion record; its replays are cancelled.
   * Undefined: no such job.
   */
  delete(
    accountId: string,
    id: number,
    trail?: ChangeTrail,
  ): Promise<{ droppedPlans: number } | undefined>;
  /** Enabled or not, of all accounts, and the replays that run. Nobody else is shown those as jobs. */
  loadAll(): Promise<JobSet>;
  /** Content of an older revision, for the plans that are bound to it. */
  loadContent(jobId: number, contentRevision: number): Promise<JobContent | undefined>;
  /** Those of `ids` that were deleted on purpose, or were replays that have ended. */
  deletedAmong(ids: readonly number[]): Promise<ReadonlySet<number>>;
  /** Calls `onChange` soon after any job changed (at most 5 s later). Returns what ends it. */
  watch(onChange: () => void): Promise<() => Promise<void>>;
}

export interface Start {
  readonly topic: string;
  readonly offsets: StartOffsets;
}
