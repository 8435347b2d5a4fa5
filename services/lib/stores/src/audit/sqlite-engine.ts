import { searchWordsOf, type AuditEntry } from '@trailpush/core';
import { sql, type Kysely, type RawBuilder } from 'kysely';

import { BulkRows, type BulkValue } from '../bulk.ts';
import { SqliteStatementError } from '../sqlite-faults.ts';
import type { AuditEngine, NewEvent } from './engine.ts';
import { monthName, startOf, type Month } from './months.ts';
import { rowOf, wordsText } from './rows.ts';
import { STORED_COLUMNS } from './schema.ts';
import { createSqliteMonth, dropSqliteMonth, termsTable, wordOf } from './sqlite-months.ts';
import { termsOf } from './terms.ts';

/** One table a month, and one of its terms. */
export const sqliteAudit: Omit<AuditEngine, 'dialect' | 'conflict' | 'stalled'> = {
  tableOf: eventsOf,
  eventsAt: (month, tenant, places) => sql`(
    select e.* from ${places} as p cross join ${eventsOf(month)}
    where e.tenant = ${tenant} and e.time_micros = p.time_micros and e.sequence = p.sequence
  ) as e`,
  idRows: (pairs) => sql`(
    select value ->> 0 as tenant, value ->> 1 as id from json_each(${JSON.stringify(pairs)})
  )`,
  // Transactions that write follow one another anyway.
  createMonth: createSqliteMonth,
  dropMonth: dropSqliteMonth,
  settleMonth: async () => undefined,
  walkIndexes: async () => undefined,
  isMonthGone: (error) =>
    error instanceof SqliteStatementError && error.message.startsWith('no such table: '),
  eventMaker: () => newEvent,
  inserting: (month, events) => (transaction) => insert(transaction, month, events),
  partsOf: (months, range) =>
    months.map((month) => ({
      table: eventsOf(month),
      fromMicros: Math.max(range.fromMicros, startOf(month)),
      toMicros: Math.min(range.toMicros, startOf(month + 1)),
      matching: (terms) => matching(month, terms),
    })),
  coverage: [sql`true`],
  countedAtOnce: 50_000,
  runWithin: async (database, statement) => (await statement.execute(database)).rows,
  jsonOf: (text) => sql`case when ${text} is not null then json_quote(${text}) end`,
  timeOf: (micros) => sql`'"' || rtrim(rtrim(
    strftime('%Y-%m-%dT%H:%M:%S.', (${micros} - ${fractionOf(micros)}) / 1000000, 'unixepoch')
    || format('%06d', ${fractionOf(micros)}), '0'), '.') || 'Z"'`,
  encodeText: (text) => text,
  decodeText: (text) => text,
};

/** Of a second, in microseconds; never negative. */
function fractionOf(micros: RawBuilder<unknown>): RawBuilder<number> {
  return sql`((${micros} % 1000000 + 1000000) % 1000000)`;
}

function eventsOf(month: Month): RawBuilder<unknown> {
  return sql`${sql.table(`audit_events_${monthName(month)}`)} as e`;
}

/** Its row is that of the event, and then what the other table has of its terms. */
function newEvent(entry: AuditEntry, tenant: number): NewEvent {
  const row = rowOf(entry, tenant, wordsText(searchWordsOf(entry)));
  row.push(termsOf(entry, tenant).map(wordOf).join(' '));
  return { tenant, timeMicros: entry.timeMicros, id: entry.id, row };
}

async function insert(
  transaction: Kysely<never>,
  month: Month,
  events: readonly NewEvent[],
): Promise<void> {
  const { rows: taken } = await sql<{ value: number }>`
    update audit_sequence set value = value + ${events.length} returning value
  `.execute(transaction);
  const first = (taken[0]?.value ?? 0) - events.length + 1;
  const columns = ['sequence', ...STORED_COLUMNS];
  const rows = events.map(({ row }) => row as readonly BulkValue[]);
  await insertMany(
    transaction,
    sql`insert into ${sql.table(`audit_events_${monthName(month)}`)}
      (${sql.join(columns.map((name) => sql.ref(name)))})
      values (${sql.raw(columns.map(() => '?').join(', '))})`,
    new BulkRows(rows.map((row, index) => [first + index, ...row.slice(0, -1)])),
  );
  await insertMany(
    transaction,
    sql`insert into ${termsTable(month)} (rowid, terms) values (?, ?)`,
    new BulkRows(rows.map((row, index) => [first + index, row.at(-1) ?? null])),
  );
}

async function insertMany(
  transaction: Kysely<never>,
  statement: RawBuilder<unknown>,
  rows: BulkRows,
): Promise<void> {
  const { sql: text } = statement.compile(transaction);
  await transaction.executeQuery({ ...sql`${rows}`.compile(transaction), sql: text });
}

function matching(month: Month, terms: readonly (readonly number[])[]): RawBuilder<boolean> {
  const table = termsTable(month);
  const lists = terms.map((list) => `(${list.map(wordOf).join(' OR ')})`);
  return sql<boolean>`e.sequence in (
    select rowid from ${table} where ${table} match ${lists.join(' AND ')}
  )`;
}
