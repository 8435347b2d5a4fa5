/** Delivering an old range of a job once more. `reference`: ARCHITECTURE.md, "Replay". */
import type { EventsOf } from './outbox.ts';
import type { Secret } from './secret.ts';

/** What a replay covers of one partition. `to` is exclusive. */
export interface ReplayRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** What makes a stored job a replay of another one: it has an end, and is never attached. */
export interface ReplayOrder {
  /** The job whose events are delivered once more. */
  readonly ofJobId: number;
  readonly topic: string;
  /** At most one a partition; none is empty. */
  readonly ranges: readonly ReplayRange[];
  /** In each partition, and the events of an account lie in one; null: as fast as it goes. */
  readonly maxRecordsPerSecond: number | null;
}

/** A range, and how far it is delivered: everything below `cursor`. */
export interface ReplayRangeProgress extends ReplayRange {
  readonly cursor: number;
}

export type ReplayState = 'running' | 'completed' | 'cancelled';

/** A replay as people see it. */
export interface Replay {
  /** From the ids of jobs; names the folder of its objects and begins its idempotency keys. */
  readonly id: number;
  readonly jobId: number;
  readonly accountId: string;
  readonly state: ReplayState;
  readonly topic: string;
  readonly ranges: readonly ReplayRangeProgress[];
  readonly maxRecordsPerSecond: number | null;
  /** Where its objects go, without credentials. */
  readonly location: string;
  readonly records: number;
  readonly objects: number;
  /** Uncompressed. */
  readonly payloadBytes: number;
  /** Set while its destination fails. */
  readonly errorMessage: string | null;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
}

export interface NewReplay extends Omit<ReplayOrder, 'ofJobId'> {
  /** The whole destination_conf; undefined: the job's own, as it is now. */
  readonly destinationConf: Secret | undefined;
  readonly location: string;
}

/**
 * Replays of jobs. While one runs it is stored as a job with an end (`Job.replay`), with cursors and
 * plans of its own, so that it survives whatever jobs survive. Every call carries the account.
 */
export interface ReplayStore {
  /**
   * Begins a replay with the job's present content and limits. Without ranges it is completed at once.
   * Undefined: the account has no such job. @throws OutboxFullError; nothing is begun then
   */
  start(
    accountId: string,
    jobId: number,
    replay: NewReplay,
    events?: EventsOf<Replay>,
  ): Promise<Replay | undefined>;
  /** The newest first, at most `limit`. */
  list(accountId: string, jobId: number, limit: number): Promise<readonly Replay[]>;
  get(accountId: string, jobId: number, id: number): Promise<Replay | undefined>;
  /**
   * Ends a replay that still runs, and drops its open plans; of one that had ended it tells nothing.
   * Undefined: there is no such replay. @throws as above
   */
  cancel(
    accountId: string,
    jobId: number,
    id: number,
    events?: EventsOf<Replay>,
  ): Promise<Replay | undefined>;
}
