import { searchWordsOf, type AuditEntry } from '@trailpush/core';
import { sql, type Kysely, type RawBuilder } from 'kysely';
import pg from 'pg';

import { BulkLines, copyLine, type CopyLine } from '../bulk.ts';
import { CopyLines } from './copy-lines.ts';
import type { AuditEngine, NewEvent, Part } from './engine.ts';
import { TAKE_POSTGRES_TURN } from './ingestion-order.ts';
import { monthName, startOf, type Month } from './months.ts';
import { isWide } from './postgres-covering.ts';
import { createPostgresMonth, dropPostgresMonth, settlePostgresMonth } from './postgres-months.ts';
import { rowOf, wordsText } from './rows.ts';
import { STORED_COLUMNS, type AuditTables } from './schema.ts';
import { termsOf } from './terms.ts';

/** Months in one statement: few at first, as most queries end there, then ever more. */
const MONTHS_AT_ONCE = [1, 1, 2, 4, 8, 16] as const;

/** What one reads was dropped; on a replica a read that stands in the way is ended. */
const MONTH_GONE: readonly unknown[] = ['42P01', '40001'];
const QUERY_CANCELED = '57014';
/** Enough for all terms that wait (`PENDING_TERMS_KIB`) to enter the index in one go. */
const WITH_MEMORY = `set local work_mem = '32MB'`;

/** Partitions of one table; terms in a GIN index. */
export const postgresAudit: Omit<AuditEngine, 'dialect' | 'conflict' | 'stalled'> = {
  tableOf: eventsOf,
  // With a limit inside, each place is looked up by itself, whatever the planner thinks of the table.
  eventsAt: (month, tenant, places) => sql`${places} as p cross join lateral (
    select * from ${eventsOf(month)}
    where e.tenant = ${tenant} and e.time_micros = p.time_micros and e.sequence = p.sequence
    limit 1
  ) as e`,
  idRows: (pairs) => sql`(
    select cast(value ->> 0 as integer) as tenant, value ->> 1 as id
    from json_array_elements(${JSON.stringify(pairs)}::json)
  )`,
  createMonth: createPostgresMonth,
  dropMonth: dropPostgresMonth,
  settleMonth: settlePostgresMonth,
  walkIndexes: async (transaction) => {
    await sql`set local enable_bitmapscan = off`.execute(transaction);
    await sql`set local enable_sort = off`.execute(transaction);
  },
  isMonthGone: (error) => error instanceof pg.DatabaseError && MONTH_GONE.includes(error.code),
  eventMaker,
  inserting,
  partsOf,
  coverage: [sql`not e.is_wide`, sql`e.is_wide`],
  countedAtOnce: undefined,
  runWithin,
  jsonOf: (text) => sql`to_json(${text})::text`,
  timeOf: (micros) => sql`rtrim(
    to_json(timestamp 'epoch' + ${micros} * interval '1 microsecond')::text, '"'
  ) || 'Z"'`,
  encodeText,
  decodeText,
};

function eventsOf(month: Month): RawBuilder<unknown> {
  return sql`${sql.table(`audit_events_${monthName(month)}`)} as e`;
}

function eventMaker(): (entry: AuditEntry, tenant: number) => NewEvent<CopyLine> {
  const lines = new CopyLines();
  return (entry, tenant) => {
    const { id, timeMicros, encoded } = entry;
    const row = encoded && lines.line(entry, encoded, tenant);
    return row === undefined ? newEvent(entry, tenant) : { tenant, timeMicros, id, row };
  };
}

/** By way of texts, in any script. */
export function newEvent(entry: AuditEntry, tenant: number): NewEvent<CopyLine> {
  const words = wordsText(searchWordsOf(entry));
  const row = rowOf(entry, tenant, words);
  row.push(isWide(entry, words) ? 't' : 'f', termsOf(entry, tenant));
  const { id, timeMicros } = entry;
  // Neither of the two that are encoded has a meaning for COPY.
  return { tenant, timeMicros, id: encodeText(id), row: encodeText(copyLine(row)) };
}

function inserting(
  month: Month,
  events: readonly NewEvent[],
): (transaction: Kysely<never>) => Promise<void> {
  const columns = sql.join([...STORED_COLUMNS, 'is_wide', 'terms'].map((name) => sql.ref(name)));
  const lines = new BulkLines(events.map(({ row }) => row as CopyLine));
  const table = sql.table(`audit_events_${monthName(month)}`);
  return async (transaction) => {
    // The one parameter of a COPY is what it reads, and is not named in its text.
    const { sql: text } = sql`copy ${table} (${columns}) from stdin`.compile(transaction);
    const copy = sql`${lines}`.compile(transaction);
    await transaction.executeQuery({
      ...copy,
      sql: `${WITH_MEMORY}; ${TAKE_POSTGRES_TURN}; ${text}`,
    });
  };
}

function partsOf(
  months: readonly Month[],
  range: { readonly fromMicros: number; readonly toMicros: number },
): readonly Part[] {
  const parts: Part[] = [];
  for (let at = 0, step = 0; at < months.length; step += 1) {
    const count = MONTHS_AT_ONCE[Math.min(step, MONTHS_AT_ONCE.length - 1)] ?? 1;
    const chunk = months.slice(at, at + count);
    parts.push({
      table: sql`audit_events as e`,
      fromMicros: Math.max(range.fromMicros, startOf(Math.min(...chunk))),
      toMicros: Math.min(range.toMicros, startOf(Math.max(...chunk) + 1)),
      matching,
    });
    at += count;
  }
  return parts;
}

function matching(terms: readonly (readonly number[])[]): RawBuilder<boolean> {
  const lists = terms.map((list) => sql`e.terms && ${`{${list.join(',')}}`}::integer[]`);
  return sql<boolean>`(${sql.join(lists, sql` and `)})`;
}

async function runWithin<Row>(
  database: Kysely<AuditTables>,
  statement: RawBuilder<Row>,
  timeoutMs?: number,
): Promise<Row[] | 'too slow'> {
  try {
    if (timeoutMs === undefined) return (await statement.execute(database)).rows;
    return await database.transaction().execute(async (transaction) => {
      await sql`set local statement_timeout = ${sql.lit(timeoutMs)}`.execute(transaction);
      return (await statement.execute(transaction)).rows;
    });
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof pg.DatabaseError && cause.code === QUERY_CANCELED) return 'too slow';
    throw error;
  }
}

/** PostgreSQL has no U+0000 in texts. It becomes U+0001 and `0`, and U+0001 itself U+0001 and `1`. */
function encodeText(text: string): string {
  if (!text.includes('\0') && !text.includes('\u0001')) return text;
  return text.replaceAll('\u0001', '\u00011').replaceAll('\0', '\u00010');
}

function decodeText(text: string): string {
  if (!text.includes('\u0001')) return text;
  return text.replaceAll('\u00010', '\0').replaceAll('\u00011', '\u0001');
}
