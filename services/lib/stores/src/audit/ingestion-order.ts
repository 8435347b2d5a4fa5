import type { AuditFollow, AuditHit } from '@trailpush/core';
import { sql, type Kysely, type RawBuilder } from 'kysely';

import type { AuditEngine } from './engine.ts';
import { monthOf, startOf, type Month } from './months.ts';
import { allOf, passing } from './predicates.ts';
import type { AuditTables } from './schema.ts';

/** Events of the tenant that one look goes through, over all months. */
const EXAMINED_EVENTS = 20_000;
const MIN_EXAMINED_OF_MONTH = 1000;
/** Looks of one page. */
const MAX_LOOKS = 25;

export async function createIngestionIndex(database: Kysely<never>, name: string): Promise<void> {
  await sql`
    create index ${sql.ref(`${name}_by_ingestion`)} on ${sql.table(name)} (tenant, sequence)
  `.execute(database);
}

/**
 * Until the end of the transaction nobody else stores events in PostgreSQL, whose sequences would else become
 * visible in another order than they were given out: a reader could pass an event that is not there yet. Runs in one message
 * with what stores them. It also waits for those who lock the row of this table, as earlier versions do.
 */
export const TAKE_POSTGRES_TURN = 'lock table audit_turn in exclusive mode';

/**
 * A page behind `query.after`, cut by `pageOf`, and where the next one begins. Looks again while it finds
 * nothing, so that few pages are empty though there is more.
 */
export async function followEvents(
  following: Following,
  pageOf: (hits: readonly AuditHit[]) => readonly AuditHit[],
): Promise<{ hits: readonly AuditHit[]; next: number }> {
  const { query } = following;
  let next = query.after;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const { hits: all, end } = await lookBehind(following, next);
    if (end === undefined) break;
    next = end;
    if (all.length === 0) continue;
    const hits = pageOf(all);
    return { hits, next: hits.length < all.length ? (hits.at(-1)?.sequence ?? next) : next };
  }
  return { hits: [], next };
}

/** Events that pass among those examined, in order of their sequence. */
interface Look {
  readonly hits: readonly AuditHit[];
  /** The sequence up to which all were examined; undefined when there is nothing more at the moment. */
  readonly end: number | undefined;
}

interface Following {
  readonly database: Kysely<AuditTables>;
  readonly engine: AuditEngine;
  readonly query: AuditFollow;
  readonly tenant: number;
  readonly months: readonly Month[];
}

/**
 * One look behind the sequence `after`. Where it ends comes first: what is stored later lies behind it, since
 * sequences grow in the order of commits.
 */
async function lookBehind(of: Following, after: number): Promise<Look> {
  const { query } = of;
  const [first, last] = [monthOf(query.sinceMicros), monthOf(query.beforeMicros - 1)];
  const months = of.months.filter((month) => month >= first && month <= last);
  if (months.length === 0) return { hits: [], end: undefined };
  const following = { ...of, months };
  if (query.filters.length === 0 && query.words === undefined) {
    return firstBehind(following, after);
  }
  const end = await endOfLook(following, after);
  if (end === undefined) return { hits: [], end };
  return { hits: await hitsUpTo(following, { after, end, count: query.limit + 1 }), end };
}

/** Where nothing is filtered but time, the next events are the look: its end need not be counted out in every month. */
async function firstBehind(
  { database, engine, query, tenant, months }: Following,
  after: number,
): Promise<Look> {
  const count = Math.max(MIN_EXAMINED_OF_MONTH, query.limit + 1);
  const conditions = allOf([sql`e.tenant = ${tenant}`, sql`e.sequence > ${after}`]);
  const rows = await inOrder(database, months, count, (month) => ({
    table: engine.tableOf(month),
    conditions,
  }));
  const hits = rows.filter(
    ({ timeMicros }) => timeMicros >= query.sinceMicros && timeMicros < query.beforeMicros,
  );
  return { hits, end: rows.at(-1)?.sequence };
}

/** The sequence of the last event to be examined. */
async function endOfLook(following: Following, after: number): Promise<number | undefined> {
  const { database, months } = following;
  const skipped = Math.max(MIN_EXAMINED_OF_MONTH, Math.ceil(EXAMINED_EVENTS / months.length)) - 1;
  const behind = (month: Month) => sql`
    from ${following.engine.tableOf(month)}
    where e.tenant = ${following.tenant} and e.sequence > ${after}`;
  const most = ofMonths(
    months,
    (month) => sql`
      select e.sequence ${behind(month)} order by e.sequence limit 1 offset ${sql.lit(skipped)}`,
  );
  const newest = ofMonths(
    months,
    (month) => sql`select max(e.sequence) as sequence ${behind(month)}`,
  );
  const { rows } = await sql<{ end: number | null }>`
    select coalesce((select min(sequence) from (${most}) as most),
      (select max(sequence) from (${newest}) as newest)) as "end"
  `.execute(database);
  return rows[0]?.end ?? undefined;
}

async function hitsUpTo(
  { database, engine, query, tenant, months }: Following,
  range: { after: number; end: number; count: number },
): Promise<AuditHit[]> {
  const passed = passing(query, (text) => engine.encodeText(text));
  return inOrder(database, months, range.count, (month) => ({
    table: engine.tableOf(month),
    conditions: allOf([
      sql`e.tenant = ${tenant}`,
      sql`e.sequence > ${range.after}`,
      sql`e.sequence <= ${range.end}`,
      ...timeConditions(query, month),
      ...passed,
    ]),
  }));
}

/** The first `count` of some events of each month, in order of their sequence. */
async function inOrder(
  database: Kysely<AuditTables>,
  months: readonly Month[],
  count: number,
  eventsOf: (month: Month) => { table: RawBuilder<unknown>; conditions: RawBuilder<unknown> },
): Promise<AuditHit[]> {
  const some = ofMonths(months, (month) => {
    const { table, conditions } = eventsOf(month);
    return sql`select e.time_micros, e.sequence, e.bytes from ${table}
      where ${conditions} order by e.sequence limit ${sql.lit(count)}`;
  });
  const { rows } = await sql<{ time_micros: number; sequence: number; bytes: number }>`
    select * from (${some}) as hits order by sequence limit ${sql.lit(count)}
  `.execute(database);
  return rows.map(({ time_micros: timeMicros, sequence, bytes }) => ({
    ...{ timeMicros, sequence, bytes },
  }));
}

/** Months that lie within the range as a whole need none. As expressions, they keep off the index by time. */
function timeConditions(
  { sinceMicros, beforeMicros }: AuditFollow,
  month: Month,
): RawBuilder<unknown>[] {
  return [
    ...(sinceMicros > startOf(month) ? [sql`e.time_micros + 0 >= ${sinceMicros}`] : []),
    ...(beforeMicros < startOf(month + 1) ? [sql`e.time_micros + 0 < ${beforeMicros}`] : []),
  ];
}

function ofMonths(
  months: readonly Month[],
  select: (month: Month) => RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql.join(
    months.map((month) => sql`select * from (${select(month)}) as of_month`),
    sql` union all `,
  );
}
