import type { OutboxTable } from '../schema.ts';

/** The tables of retention. */
export interface RetentionTables {
  audit_rules: RulesTable;
  audit_restored: RestoredTable;
  audit_drops: DropsTable;
  audit_outbox: OutboxTable;
  audit_retention: LeaseTable;
}

/** Tenants with a rule of their own or a hold; they need not have events. */
interface RulesTable {
  kind: string;
  id: string;
  months: number | null;
  hold_reason: string | null;
  hold_by: string | null;
  hold_since_ms: number | null;
}

/** What retention leaves alone until then. */
interface RestoredTable {
  tenant: number;
  month: number;
  keep_until_ms: number;
}

/** What was removed so far of a tenant's month, while that takes more than one step. */
export interface DropsTable {
  tenant: number;
  month: number;
  events: number;
  first_micros: number;
  last_micros: number;
  months: number;
  /** 0 or 1. */
  is_default: number;
}

/**
 * One row. Whoever removes events or changes what may be removed locks it, so that nothing is removed that
 * a change, once confirmed, keeps.
 */
interface LeaseTable {
  owner: string;
  until_ms: number;
}
