import type { Job } from './job.ts';

/** An audit event that waits for the log. */
export interface OutboxEntry {
  readonly id: number;
  /** One line in the shape of the audit API's item. */
  readonly line: string;
}

/**
 * Audit events about what was changed here. They are stored in one transaction with the change, so that none
 * is lost when the program dies or the log is away, and sent afterwards, at least once.
 * Every method rejects with StoreUnavailableError when it could not be confirmed.
 */
export interface Outbox {
  /**
   * The oldest entries, for this caller alone until the lease is over. None while another caller has a
   * lease, so that events of one account keep their order.
   */
  take(limit: number, leaseMs: number): Promise<readonly OutboxEntry[]>;
  /** The log has them. */
  remove(ids: readonly number[]): Promise<void>;
  /** Ends the lease before its time: they could not be sent. */
  release(ids: readonly number[]): Promise<void>;
  count(): Promise<number>;
}

/**
 * Tells what was changed as audit events: lines in the shape of the audit API's item, stored in one
 * transaction with the change. May be called several times.
 */
export type EventsOf<Changed> = (changed: Changed) => readonly string[];

/** Audit events about what changes nothing here. */
export interface AuditTrail {
  /**
   * Lines in the shape of the audit API's item, for the outbox: all of them or none.
   * @throws OutboxFullError, StoreUnavailableError
   */
  add(lines: readonly string[]): Promise<void>;
}

/** How many entries may wait; changes are refused then (OutboxFullError). */
export const MAX_OUTBOX_ENTRIES = 10_000;

/** A job before and after a change; undefined where there is none. */
export interface JobTransition {
  readonly before: Job | undefined;
  readonly after: Job | undefined;
}

/** What is stored in one transaction with a change of a job. */
export interface ChangeTrail {
  /** The event as one line in the shape of the audit API's item. May be called several times. */
  readonly describe: (change: JobTransition) => string;
  /** The proof of ownership that the change uses up. */
  readonly challenge?: SpentChallenge;
}

export interface SpentChallenge {
  readonly id: string;
  readonly expiresAtMs: number;
}
