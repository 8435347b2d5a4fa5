import { AUDIT_BODIES, AUDIT_TEXTS, searchWordsOf, type Tenant } from '@trailpush/core';
import { sql, type Kysely } from 'kysely';

import { isPostgres } from '../../migrations/columns.ts';
import { monthName, type Month } from '../months.ts';
import { postgresAudit } from '../postgres-engine.ts';
import { createPostgresCovering, isWide } from '../postgres-covering.ts';
import { entryOf, wordsText } from '../rows.ts';
import type { EventRow } from '../schema.ts';
import { sqliteAudit } from '../sqlite-engine.ts';
import { createSqliteIndexByTime } from '../sqlite-months.ts';

/** Events that are read at a time. */
const CHUNK = 1000;
const COLUMNS = ['time_micros', 'raw_status_code', 'id', ...AUDIT_TEXTS] as const;
const NO_BODIES = Object.fromEntries(AUDIT_BODIES.map((name) => [name, null]));

interface Row extends EventRow {
  readonly tenant: number;
  readonly kind: Tenant['kind'];
  readonly tenant_id: string;
}

/** Words for free-text search, also of the events that are there, and indexes that hold what is searched and counted. */
export async function addSearch(database: Kysely<never>): Promise<void> {
  const { rows } = await sql<{ month: Month }>`select month from audit_months`.execute(database);
  if (isPostgres(database)) {
    await sql`alter table audit_events add column words text,
      add column is_wide boolean not null default false`.execute(database);
  }
  for (const { month } of rows) {
    if (!isPostgres(database)) {
      await sql`alter table ${eventsOf(month)} add column words text`.execute(database);
    }
    let last: Row | undefined;
    do {
      const chunk = await readAfter(database, month, last);
      for (const row of chunk) await addWords(database, month, row);
      last = chunk.at(-1);
    } while (last !== undefined);
    await indexMonth(database, month);
  }
}

async function indexMonth(database: Kysely<never>, month: Month): Promise<void> {
  const name = `audit_events_${monthName(month)}`;
  if (isPostgres(database)) {
    await createPostgresCovering(database, name);
  } else {
    await sql`drop index ${sql.ref(`${name}_by_time`)}`.execute(database);
    await createSqliteIndexByTime(database, name);
  }
}

function eventsOf(month: Month) {
  return sql.table(`audit_events_${monthName(month)}`);
}

async function readAfter(
  database: Kysely<never>,
  month: Month,
  last: Row | undefined,
): Promise<Row[]> {
  const columns = sql.join(COLUMNS.map((name) => sql.ref(`e.${name}`)));
  const { rows } = await sql<Row>`
    select ${columns}, e.tenant, t.kind, t.id as tenant_id
    from ${eventsOf(month)} as e join audit_tenants as t on t.tenant = e.tenant
    ${last === undefined ? sql`` : sql`where (e.id, e.tenant) > (${last.id}, ${last.tenant})`}
    order by e.id, e.tenant limit ${CHUNK}
  `.execute(database);
  return rows;
}

async function addWords(database: Kysely<never>, month: Month, row: Row): Promise<void> {
  const { tenant, kind, tenant_id: id } = row;
  const { decodeText } = isPostgres(database) ? postgresAudit : sqliteAudit;
  const entry = entryOf({ ...row, ...NO_BODIES }, { kind, id }, decodeText);
  const words = wordsText(searchWordsOf(entry));
  const wide = isPostgres(database) ? sql`, is_wide = ${isWide(entry, words)}` : sql``;
  await sql`
    update ${eventsOf(month)} set words = ${words}${wide} where id = ${row.id} and tenant = ${tenant}
  `.execute(database);
}
