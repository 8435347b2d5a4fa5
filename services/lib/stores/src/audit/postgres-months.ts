import { sql, type Kysely, type RawBuilder } from 'kysely';

import { createIngestionIndex } from './ingestion-order.ts';
import { monthName, startOf, type Month } from './months.ts';
import { createPostgresCovering } from './postgres-covering.ts';
import { EVENT_TEXTS } from './schema.ts';

/**
 * So much waits for entry into the index of terms, where many enter at once for less. A query looks at everything that waits, so in
 * months that do not fill any more nothing should, see `settlePostgresMonth`.
 */
const PENDING_TERMS_KIB = 4096;

/** The table of all months: each is a partition of it. */
export async function createEventsParent(database: Kysely<never>): Promise<void> {
  await sql`create sequence audit_sequence`.execute(database);
  const texts = EVENT_TEXTS.map((name) =>
    name === 'id' ? sql`id text not null` : sql`${sql.ref(name)} text`,
  );
  await sql`
    create table audit_events (
      sequence bigint not null default nextval('audit_sequence'),
      time_micros bigint not null,
      tenant integer not null,
      bytes integer not null,
      raw_status_code integer,
      ${sql.join(texts)},
      terms integer[] not null
    ) partition by range (time_micros)
  `.execute(database);
}

/** A caller's transaction; attaching does not stand in the way of readers. */
export async function createPostgresMonth(database: Kysely<never>, month: Month): Promise<void> {
  const name = `audit_events_${monthName(month)}`;
  const table = sql.table(name);
  const index = (suffix: string) => sql.ref(`${name}_${suffix}`);
  const statements: RawBuilder<unknown>[] = [
    sql`create table ${table} (like audit_events including defaults)`,
    sql`create unique index ${index('by_id')} on ${table} (id, tenant)`,
    sql`create index ${index('by_time')} on ${table} (tenant, time_micros, sequence)`,
    sql`create index ${index('by_term')} on ${table} using gin (terms)
      with (gin_pending_list_limit = ${sql.lit(PENDING_TERMS_KIB)})`,
    sql`alter table audit_events attach partition ${table}
      for values from (${sql.lit(startOf(month))}) to (${sql.lit(startOf(month + 1))})`,
  ];
  for (const statement of statements) await statement.execute(database);
  await createIngestionIndex(database, name);
  await createPostgresCovering(database, name);
}

/** Enters what waits into the index of terms. */
export async function settlePostgresMonth(database: Kysely<never>, month: Month): Promise<void> {
  const index = `audit_events_${monthName(month)}_by_term`;
  await sql`select gin_clean_pending_list(to_regclass(${index}))`.execute(database);
}

/** While it waits for who is reading, all others wait behind it: it gives up soon. */
const DROP_PATIENCE_MS = 2000;

export async function dropPostgresMonth(database: Kysely<never>, month: Month): Promise<void> {
  await sql`set local lock_timeout = ${sql.lit(DROP_PATIENCE_MS)}`.execute(database);
  await sql`drop table ${sql.table(`audit_events_${monthName(month)}`)}`.execute(database);
}
