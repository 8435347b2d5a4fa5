import type { AuditField, AuditQuery } from './audit.ts';

/** Of which events are counted, and by what. */
export interface AuditCounting extends Pick<
  AuditQuery,
  'tenant' | 'sinceMicros' | 'beforeMicros' | 'filters' | 'words'
> {
  /** Events with equal values of all these fields are counted together; none: all events. */
  readonly by: readonly AuditField[];
  /** Counts by intervals of this length as well, the first of which began with the epoch. */
  readonly intervalMicros?: number;
}

/** How many events have something in common; at least one. */
export interface AuditCount {
  /** When their interval begins; 0 without intervals. */
  readonly startMicros: number;
  /** Of `by`, in its order; an absent value is the empty text. */
  readonly values: readonly (string | number)[];
  readonly count: number;
}

/** Of different counts in one answer. */
export const MAX_AUDIT_COUNTS = 100_000;
/** After so long a count is given up. */
export const MAX_COUNTING_MS = 10_000;
