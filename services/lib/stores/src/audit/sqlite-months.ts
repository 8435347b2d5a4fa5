import { sql, type Kysely, type RawBuilder } from 'kysely';

import { createIngestionIndex } from './ingestion-order.ts';
import { monthName, type Month } from './months.ts';
import { COVERED_COLUMNS, EVENT_TEXTS } from './schema.ts';

/**
 * The events of a month, and their terms: an inverted index that keeps nothing but row numbers, made by
 * SQLite's full-text search.
 */
export async function createSqliteMonth(database: Kysely<never>, month: Month): Promise<void> {
  const name = `audit_events_${monthName(month)}`;
  const table = sql.table(name);
  const index = (suffix: string) => sql.ref(`${name}_${suffix}`);
  const texts = EVENT_TEXTS.map((text) =>
    text === 'id' ? sql`id text not null` : sql`${sql.ref(text)} text`,
  );
  const statements: RawBuilder<unknown>[] = [
    sql`create table ${table} (
      sequence integer primary key,
      time_micros integer not null,
      tenant integer not null,
      bytes integer not null,
      raw_status_code integer,
      words text,
      ${sql.join(texts)}
    )`,
    sql`create unique index ${index('by_id')} on ${table} (id, tenant)`,
    sql`create virtual table ${termsTable(month)}
      using fts5(terms, content = '', detail = none, columnsize = 0)`,
  ];
  for (const statement of statements) await statement.execute(database);
  await createIngestionIndex(database, name);
  await createSqliteIndexByTime(database, name);
}

export async function createSqliteIndexByTime(
  database: Kysely<never>,
  name: string,
): Promise<void> {
  const covered = sql.join(COVERED_COLUMNS.map((column) => sql.ref(column)));
  await sql`create index ${sql.ref(`${name}_by_time`)} on ${sql.table(name)}
    (tenant, time_micros, sequence, ${covered})`.execute(database);
}

/** The file stays as large as it was: its pages are used again. */
export async function dropSqliteMonth(database: Kysely<never>, month: Month): Promise<void> {
  await sql`drop table ${termsTable(month)}`.execute(database);
  await sql`drop table ${sql.table(`audit_events_${monthName(month)}`)}`.execute(database);
}

export function termsTable(month: Month): RawBuilder<unknown> {
  return sql.table(`audit_terms_${monthName(month)}`);
}

/** A term as a word of the index. */
export function wordOf(term: number): string {
  return `t${(term >>> 0).toString(36)}`;
}
