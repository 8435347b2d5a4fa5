/** What is stored about delivery. `reference`: ARCHITECTURE.md, "Delivery protocol". */

/** One job and one partition: the next offset that the job still owes there. */
export interface CursorRow {
  readonly jobId: number;
  readonly cursor: number;
  /** True when the job is served by the catch-up lane, or by none. */
  readonly detached: boolean;
}

/** The stored intent to write one object: exactly these offsets, under this key, with this payload. */
export interface Plan {
  readonly jobId: number;
  readonly partition: number;
  /** Both ends inclusive; `last` is the last offset that was examined, not the last one that matched. */
  readonly first: number;
  readonly last: number;
  readonly contentRevision: number;
  readonly location: string;
  readonly key: string;
  readonly idempotencyKey: string;
  /** SHA-256 over the uncompressed payload, hex. */
  readonly payloadHash: string;
  readonly encoderVersion: number;
  readonly records: number;
  readonly payloadBytes: number;
  /** Smallest and largest broker time of the batch. */
  readonly minTimestampMs: number;
  readonly maxTimestampMs: number;
  /** Dead letters with a larger id were not yet known when this plan was made, so its range includes them. */
  readonly deadLetterId: number;
  readonly confirmed: boolean;
}

/** A confirmed plan as the ledger keeps it. */
export interface LedgerEntry {
  readonly jobId: number;
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
  readonly location: string;
  readonly key: string;
  readonly payloadHash: string;
  readonly records: number;
  readonly payloadBytes: number;
  readonly maxTimestampMs: number;
  readonly confirmedAtMs: number;
}

/** Offsets that the log lost before the job had read them. `to` is exclusive. */
export interface Gap {
  readonly jobId: number;
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  readonly possiblyDelivered: boolean;
  readonly seenAtMs: number;
}

/** A record set aside with its reason, whole, so that it can be sent again. */
export interface DeadLetter {
  readonly id: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Null when the record itself is bad for everybody. */
  readonly jobId: number | null;
  readonly accountId: string | null;
  readonly reason: string;
  readonly message: string;
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly seenAtMs: number;
  /** When an operator sent it again, last. */
  readonly resentAtMs: number | null;
}

export type NewDeadLetter = Omit<DeadLetter, 'id' | 'seenAtMs' | 'resentAtMs'>;

/** Which partition, owned under which epoch: every write of progress carries it and is fenced by it. */
export interface Ownership {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
}

export interface LastRead {
  readonly offset: number;
  readonly timestampMs: number;
}

/** A partition as its new owner finds it. */
export interface ClaimedPartition extends Ownership {
  /** True when this owner held it under this epoch already: nothing in memory is void. */
  readonly kept: boolean;
  /** The next offset that all attached jobs without a cursor row still owe. */
  readonly liveFrom: number;
  /** The last record that was read, for noticing a topic that was recreated or cut. */
  readonly lastRead: LastRead | null;
  /** Counter of the topic's incarnations; part of object names. */
  readonly incarnation: number;
  readonly cursors: readonly CursorRow[];
  /** Open plans in order of (job, first). */
  readonly plans: readonly Plan[];
}

/** What one pin writes: all of it or nothing. */
export interface Pin {
  readonly liveFrom: number;
  readonly lastRead: LastRead | null;
  /** Cursors to store. A stored cursor never moves backwards. */
  readonly cursors: readonly CursorRow[];
  /** Jobs that are attached and owe nothing below `liveFrom`: their rows go. */
  readonly idleJobIds: readonly number[];
}

/**
 * - `inserted`: the plan is stored and may be put.
 * - `stale`: the epoch is not ours any more: drop the partition.
 * - `conflict`: the stored tail is not `first`, or the job is gone: reload the job.
 * - `key_taken`: (location, key) names another object: choose the next name.
 */
export type InsertPlanResult = 'inserted' | 'stale' | 'conflict' | 'key_taken';

/**
 * - `confirmed`: marked; `cursor` is the stored cursor after all confirmed heads were popped.
 * - `stale`, `conflict`: as above.
 */
export type ConfirmPlanResult =
  | { readonly result: 'confirmed'; readonly cursor: number }
  | { readonly result: 'stale' }
  | { readonly result: 'conflict' };

/**
 * What the log has lost of a job's first open plan, which begins at `gap.from`. `plan` covers what is left
 * of it, from `gap.to` on; undefined when there is nothing left to deliver.
 */
export interface PlanCut {
  readonly gap: Gap;
  readonly plan: Plan | undefined;
}

/**
 * - `cut`: done; `cursor` is the stored cursor afterwards.
 * - else as `InsertPlanResult`; `conflict` also when the job's first open plan is not the one that was cut.
 */
export type CutPlanResult =
  | { readonly result: 'cut'; readonly cursor: number }
  | { readonly result: 'stale' | 'conflict' | 'key_taken' };

/**
 * - `split`: the two plans stand in the place of the one.
 * - else as `InsertPlanResult`; `conflict` also when the parts are not the whole of an unconfirmed plan.
 */
export type SplitPlanResult = 'split' | 'stale' | 'conflict' | 'key_taken';

/**
 * - `set_aside`: done; `cursor` is the stored cursor afterwards.
 * - else as `InsertPlanResult`; `conflict` also when the plan is not the job's first open one.
 */
export type SetAsidePlanResult =
  | { readonly result: 'set_aside'; readonly cursor: number }
  | { readonly result: 'stale' | 'conflict' };

/** A part of a list; without one, the first 1000. */
export interface Page {
  readonly limit: number;
  /** Rows to pass over. */
  readonly offset: number;
}

export const FIRST_PAGE: Page = { limit: 1000, offset: 0 };

/**
 * Progress of delivery. Every method is one transaction and rejects with StoreUnavailableError when
 * it could not be confirmed; repeating a call is then safe.
 */
export interface ProgressStore {
  /**
   * Takes a partition: raises its epoch and names the owner. When the stored (epoch, owner) still are
   * `owner` and `heldEpoch`, nothing changes and `kept` is true.
   * A partition without a row gets one with `liveFrom` = `logStart`.
   */
  claim(request: {
    topic: string;
    partition: number;
    owner: string;
    heldEpoch: number | undefined;
    logStart: number;
  }): Promise<ClaimedPartition>;
  /** False when the epoch is stale: nothing was written. */
  pin(ownership: Ownership, pin: Pin): Promise<boolean>;
  /**
   * Stores a plan if its `first` is the job's tail in this partition: the last open plan's `last` + 1,
   * else its cursor row, else (no row) anything from `liveFrom` on. Makes the cursor row if there is none.
   */
  insertPlan(ownership: Ownership, plan: Plan): Promise<InsertPlanResult>;
  /**
   * Marks a plan as confirmed, pops confirmed heads in order (cursor := last + 1, plan to ledger) and
   * sets `last_complete`, clearing the job's error.
   */
  confirmPlan(
    ownership: Ownership,
    plan: { jobId: number; first: number; confirmedAtMs: number },
  ): Promise<ConfirmPlanResult>;
  /** Another encoder, another payload: the same key gets a new hash. Also gives open plans a new place. */
  replacePlan(
    ownership: Ownership,
    plan: Plan,
  ): Promise<'replaced' | 'stale' | 'conflict' | 'key_taken'>;
  /** Open plans and cursor of one job in one partition, for reloading after a `conflict`. */
  loadJob(
    ownership: Ownership,
    jobId: number,
  ): Promise<{ cursor: CursorRow | undefined; plans: readonly Plan[]; liveFrom: number }>;
  /**
   * Records lost offsets and moves the job's cursor to `gap.to`, in one transaction. Only for a job
   * without open plans in the partition. False when the epoch is stale.
   */
  recordGap(ownership: Ownership, gap: Gap): Promise<boolean>;
  /**
   * Records the gap, puts the rest of the plan in the place of the whole, and moves the cursor to its
   * beginning. When there is no rest, confirmed plans that come next are popped, and the cursor moves
   * behind them.
   */
  cutPlan(ownership: Ownership, cut: PlanCut): Promise<CutPlanResult>;
  /**
   * Puts two plans in the place of an open one: together they cover its offsets, under its content
   * revision. The cursor stays.
   */
  splitPlan(ownership: Ownership, parts: readonly [Plan, Plan]): Promise<SplitPlanResult>;
  /**
   * Stores the only record of a job's first open plan as that job's dead letter, and drops the plan.
   * The cursor moves behind it, and behind confirmed plans that come next. Ends the job's error.
   */
  setAsidePlan(
    ownership: Ownership,
    plan: { jobId: number; first: number },
    letter: NewDeadLetter,
  ): Promise<SetAsidePlanResult>;
  /** Idempotent by (topic, partition, offset, job). Resolves to the largest id stored so far. */
  saveDeadLetters(letters: readonly NewDeadLetter[]): Promise<number>;
  /** Offsets within [first, last] of records that are bad for everybody, with id up to `maxId`. */
  deadLetterOffsets(
    range: { topic: string; partition: number; first: number; last: number },
    maxId: number,
  ): Promise<readonly number[]>;
  listDeadLetters(limit: number): Promise<readonly DeadLetter[]>;
  /** In the order in which they were recorded. */
  listGaps(jobId: number, page?: Page): Promise<readonly Gap[]>;
  /** In order of topic, partition and offset. Entries go when they are old. */
  listLedger(jobId: number, page?: Page): Promise<readonly LedgerEntry[]>;
  /** Ends a replay as completed when every one of its ranges is below its cursor. False: not yet. */
  settleReplay(replayId: number): Promise<boolean>;
  /**
   * Sets a job's `last_error` and `error_message`. With `isAttempt` it was an attempt that failed: resolves
   * to when the first one failed since the last success, or since the job was changed.
   */
  recordFailure(
    jobId: number,
    failure: { atMs: number; message: string; isAttempt?: boolean },
  ): Promise<number | null>;
}
