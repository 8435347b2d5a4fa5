import type { AUDIT_TEXTS } from '@trailpush/core';

import { EVENT_TEXTS, STORED_COLUMNS } from '../schema.ts';
import type { Clickhouse } from './clickhouse.ts';
import { ch, joined, named, type Statement } from './statement.ts';

export const EVENTS = 'trailpush_events';
/** The same events by id, to know those that come twice. */
export const EVENT_IDS = 'trailpush_event_ids';
/** Names the audit store that the events belong to. */
export const OWNER = 'trailpush_owner';

export const EVENT_INSERT = ['partition', 'sequence', ...STORED_COLUMNS] as const;
export const ID_INSERT = ['partition', 'tenant', 'id', 'sequence'] as const;

/** Texts of few different values. */
const FEW_VALUES: ReadonlySet<string> = new Set([
  ...['action_result', 'action_type', 'actor_context', 'actor_type', 'raw_method'],
  ...['resource_product', 'resource_scope', 'resource_type', 'interface'],
]);

/** Texts of many, of which one is looked for: what has none of them is skipped. */
const MANY_VALUES: readonly (typeof AUDIT_TEXTS)[number][] = [
  ...(['actor_email', 'actor_id', 'actor_ip_address', 'actor_token_id'] as const),
  ...(['raw_cf_ray_id', 'resource_id', 'zone_id', 'owner_id'] as const),
];

/**
 * Makes what is missing. A partition holds the events of a month, or of what came for a month after it was dropped;
 * its number is used once. Rows are written to the disk before they are confirmed, as the log may let go of them.
 */
export async function createTables(clickhouse: Clickhouse): Promise<void> {
  const durable = ch`fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 1024`;
  const texts = EVENT_TEXTS.filter((name) => name !== 'id').map((name) =>
    FEW_VALUES.has(name)
      ? ch`${named(name)} LowCardinality(Nullable(String)) codec(ZSTD)`
      : ch`${named(name)} Nullable(String) codec(ZSTD)`,
  );
  const indexes = MANY_VALUES.map(
    (name): Statement =>
      ch`index ${named(`by_${name}`)} ${named(name)} type bloom_filter granularity 4`,
  );
  await clickhouse.change(ch`
    create table if not exists ${named(EVENTS)} (
      partition UInt32, tenant UInt32, time_micros Int64 codec(Delta, ZSTD), sequence UInt64 codec(Delta, ZSTD),
      bytes UInt64 codec(ZSTD), raw_status_code Nullable(Int64) codec(ZSTD), id String codec(ZSTD),
      words String codec(ZSTD), ${joined(texts, ', ')},
      index by_sequence sequence type minmax granularity 1, ${joined(indexes, ', ')}
    ) engine = MergeTree partition by partition order by (tenant, time_micros, sequence) settings ${durable}`);
  await clickhouse.change(ch`
    create table if not exists ${named(EVENT_IDS)} (
      partition UInt32, tenant UInt32, id String codec(ZSTD), sequence UInt64 codec(ZSTD)
    ) engine = MergeTree partition by partition order by (tenant, id) settings ${durable}`);
  await clickhouse.change(ch`
    create table if not exists ${named(OWNER)} (id String)
    engine = MergeTree order by id settings fsync_after_insert = 1, fsync_part_directory = 1`);
}
