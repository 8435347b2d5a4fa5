import { ENTRY_TEXTS, type AuditField } from '@trailpush/core';
import type { Generated } from 'kysely';

import type { ClickhouseTables } from './clickhouse/schema.ts';
import type { RetentionTables } from './retention-schema.ts';

/**
 * The tables of the audit store besides its events. Those lie in one table a month with
 * `EVENT_COLUMNS`: `audit_events_202605`, in PostgreSQL a partition of `audit_events`.
 */
export interface AuditTables extends RetentionTables, ClickhouseTables {
  audit_tenants: TenantsTable;
  audit_months: MonthsTable;
  audit_positions: PositionsTable;
  audit_gaps: GapsTable;
  audit_dead_letters: DeadLettersTable;
}

/** Events name their tenant by a small number. */
interface TenantsTable {
  tenant: Generated<number>;
  kind: string;
  id: string;
}

/** The months that have a table. */
interface MonthsTable {
  month: number;
}

interface PositionsTable {
  topic: string;
  partition: number;
  next_offset: number;
  last_offset: number | null;
  last_timestamp_ms: number | null;
}

interface GapsTable {
  id: Generated<number>;
  topic: string;
  partition: number;
  from_offset: number;
  to_offset: number;
  reason: string;
  seen_at_ms: number;
}

interface DeadLettersTable {
  id: Generated<number>;
  topic: string;
  partition: number;
  offset: number;
  timestamp_ms: number;
  reason: string;
  message: string;
  key: Uint8Array | null;
  value: Uint8Array | null;
  seen_at_ms: number;
}

export const EVENT_TEXTS = ENTRY_TEXTS;

/** Besides `sequence`, and in PostgreSQL `terms`. `bytes` is the size of all texts together. */
export const EVENT_COLUMNS = [
  'tenant',
  'time_micros',
  'bytes',
  'raw_status_code',
  ...EVENT_TEXTS,
] as const;

/** What is stored of an event besides `sequence` and `terms`. `words` is for search alone, and never read. */
export const STORED_COLUMNS = [...EVENT_COLUMNS, 'words'] as const;

/** What an index by time holds as well, so that searches and counts need not look at the events themselves. */
export const COVERED_FIELDS = [
  'raw_status_code',
  'action_result',
  'action_type',
  'actor_context',
  'actor_email',
  'actor_id',
  'actor_ip_address',
  'actor_type',
  'raw_method',
  'resource_product',
  'resource_type',
] as const satisfies readonly AuditField[];
export const COVERED_COLUMNS = ['bytes', 'words', ...COVERED_FIELDS] as const;

/** A row of events as it is read. */
export type EventRow = {
  readonly time_micros: number;
  readonly raw_status_code: number | null;
  readonly id: string;
} & Readonly<Record<Exclude<(typeof EVENT_TEXTS)[number], 'id'>, string | null>>;
