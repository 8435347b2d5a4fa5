import type { Verdict } from './destination.ts';

/** One attempt of a delivery, as people look it up. */
export interface Attempt {
  readonly jobId: number;
  /** When it ended. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly verdict: Verdict['kind'];
  /** HTTP status, else Logpush's health code (1101 and on); null: delivered without either. */
  readonly code: number | null;
  /** In the wording of `error_message`; null when it was delivered. */
  readonly message: string | null;
  readonly records: number;
  /** As sent. */
  readonly wireBytes: number;
  readonly partition: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

/** So many of the newest attempts of each job are kept. */
export const MAX_KEPT_ATTEMPTS = 100;

/** What an operator is told of by a webhook. At most one of a kind a day is kept for each job. */
export const NOTICE_KINDS = ['job_disabled', 'gap', 'dead_letter'] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

export interface Notice {
  readonly id: number;
  readonly kind: NoticeKind;
  /** Null for records that are bad for everybody. */
  readonly jobId: number | null;
  readonly accountId: string | null;
  readonly message: string;
  readonly createdAtMs: number;
  /** How often it was taken, this time included. */
  readonly tries: number;
}

/**
 * What is kept about the health of jobs. Notices are stored in one transaction with what they tell of.
 * Every method rejects with StoreUnavailableError when it could not be confirmed.
 */
export interface HealthStore {
  /** Attempts of jobs that were deleted are left out. */
  recordAttempts(attempts: readonly Attempt[]): Promise<void>;
  /** The newest first, at most MAX_KEPT_ATTEMPTS. */
  listAttempts(accountId: string, jobId: number): Promise<readonly Attempt[]>;
  /** The oldest notices that are due, for this caller alone until the lease is over. */
  takeNotices(limit: number, leaseMs: number): Promise<readonly Notice[]>;
  /** A notice was sent or given up; with `retryAtMs` it is due again then. */
  settleNotice(id: number, retryAtMs?: number): Promise<void>;
}
