import type { AuditEntry, AuditRetention, Clock } from '@trailpush/core';

export interface ExpiryDeps {
  readonly retention: Pick<AuditRetention, 'findExpired'>;
  /** For tenants without a rule of their own; 0: for ever. */
  readonly retentionMonths: number;
  readonly clock: Pick<Clock, 'now'>;
}

/** No rule lets events go that are younger: the shortest is a month after their own. */
const MIN_AGE_MICROS = 28 * 86_400_000_000;

/**
 * Parts what retention would remove at once from what is stored. Late events, and those of a topic that is read
 * anew, must not bring back a month that was dropped.
 */
export async function partExpired(
  entries: readonly AuditEntry[],
  { retention, retentionMonths, clock }: ExpiryDeps,
): Promise<{ readonly kept: readonly AuditEntry[]; readonly expired: readonly AuditEntry[] }> {
  const nowMs = clock.now();
  const old = entries.filter(({ timeMicros }) => timeMicros < nowMs * 1000 - MIN_AGE_MICROS);
  if (old.length === 0) return { kept: entries, expired: [] };
  const expired = await retention.findExpired(old, { nowMs, defaultMonths: retentionMonths });
  return { kept: entries.filter((entry) => !expired.has(entry)), expired: [...expired] };
}
