import { AUDIT_BODIES, AUDIT_TEXTS, type AuditEntry, type Tenant } from '@trailpush/core';

/** 2026-05-21T00:00:00Z. */
export const MAY_21_MICROS = Date.UTC(2026, 4, 21) * 1000;

const EMPTY = Object.fromEntries(
  [...AUDIT_TEXTS, ...AUDIT_BODIES].map((name) => [name, null]),
) as Omit<AuditEntry, 'tenant' | 'id' | 'timeMicros' | 'raw_status_code' | 'encoded'>;

export function account(id: string): Tenant {
  return { kind: 'account', id };
}

/** An event with every value absent that is not given. */
export function auditEntry(
  facts: Pick<AuditEntry, 'tenant' | 'id'> & Partial<AuditEntry>,
): AuditEntry {
  return { ...EMPTY, timeMicros: MAY_21_MICROS, raw_status_code: null, ...facts };
}
