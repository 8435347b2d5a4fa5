import {
  MAX_AUDIT_COUNTS,
  MAX_COUNTING_MS,
  QueryTooLargeError,
  type AuditCount,
  type AuditCounting,
  type AuditField,
  type AuditPlace,
  type Clock,
} from '@trailpush/core';
import { sql, type Kysely, type RawBuilder } from 'kysely';

import type { AuditEngine, Part } from './engine.ts';
import { monthOf, type Month } from './months.ts';
import { allOf, isCovered, passing } from './predicates.ts';
import { COVERED_FIELDS, type AuditTables } from './schema.ts';
import { termsOfQuery } from './terms.ts';

/** Events that are looked at first, to see whether few of them pass. */
const PROBED_EVENTS = 1000;
/** Below this share the index of terms is asked for those that pass. */
const DENSE_SHARE = 0.02;

interface Counting {
  readonly database: Kysely<AuditTables>;
  readonly engine: AuditEngine;
  readonly query: AuditCounting;
  readonly tenant: number;
  readonly clock: Clock;
  readonly deadlineMs: number;
}

/** Some of the events of a part. */
interface Slice {
  readonly part: Part;
  readonly conditions: readonly RawBuilder<unknown>[];
}

/**
 * Counts in slices, so that other statements get their turn, and within a time. What the covering index knows is counted
 * there; else what is rare is found through the index of terms.
 * @throws QueryTooLargeError
 */
export async function countEvents(
  of: Omit<Counting, 'deadlineMs'> & { readonly months: readonly Month[] },
): Promise<AuditCount[]> {
  const { engine, query, clock } = of;
  const { sinceMicros: fromMicros, beforeMicros: toMicros } = query;
  if (fromMicros >= toMicros) return [];
  const counting: Counting = { ...of, deadlineMs: clock.monotonic() + MAX_COUNTING_MS };
  const [first, last] = [monthOf(fromMicros), monthOf(toMicros - 1)];
  const months = of.months.filter((month) => month >= first && month <= last);
  const parts = engine.partsOf(
    months.toSorted((a, b) => b - a),
    { fromMicros, toMicros },
  );
  const isByIndex = isCovered(query) && query.by.every(isFieldCovered);
  const terms = isByIndex ? [] : termsOfQuery(query, of.tenant);
  const counts = new Map<string, AuditCount>();
  for (const part of parts) {
    if (terms.length > 0 && (await isRare(counting, part))) {
      const conditions = [...timeConditions(part), part.matching(terms)];
      // As an expression, it keeps the database from the index by time.
      conditions.push(sql`e.tenant + 0 = ${of.tenant}`);
      await countSlice(counting, { part, conditions }, counts);
      continue;
    }
    let after: AuditPlace | undefined;
    do {
      const upTo = await endOfSlice(counting, part, after);
      const slice = { part, conditions: placeConditions(counting, part, { after, upTo }) };
      for (const half of isByIndex ? engine.coverage : [sql`true`]) {
        const conditions = [half, ...slice.conditions];
        await countSlice(counting, { part, conditions }, counts);
      }
      after = upTo;
    } while (after !== undefined);
  }
  return [...counts.values()];
}

function isFieldCovered(field: AuditField): boolean {
  return (COVERED_FIELDS as readonly AuditField[]).includes(field);
}

/** Whether few of the part's first events pass. */
async function isRare(counting: Counting, part: Part): Promise<boolean> {
  const { engine, query } = counting;
  const passed = allOf([sql`true`, ...passing(query, (text) => engine.encodeText(text))]);
  const rows = await run<{ looked: number; passed: number }>(
    counting,
    sql`select count(*) as looked, sum(case when ${passed} then 1 else 0 end) as passed from (
      select e.* from ${part.table} where ${allOf(placeConditions(counting, part, {}))}
      order by e.time_micros, e.sequence limit ${PROBED_EVENTS}
    ) as e`,
  );
  const [probe] = rows;
  if (probe === undefined || probe.looked < PROBED_EVENTS) return false;
  return probe.passed < PROBED_EVENTS * DENSE_SHARE;
}

/** The place of the last event of the next slice; undefined when the rest of the part is one. */
async function endOfSlice(
  counting: Counting,
  part: Part,
  after: AuditPlace | undefined,
): Promise<AuditPlace | undefined> {
  const { countedAtOnce } = counting.engine;
  if (countedAtOnce === undefined) return undefined;
  const rows = await run<{ time_micros: number; sequence: number }>(
    counting,
    sql`select e.time_micros, e.sequence from ${part.table}
      where ${allOf(placeConditions(counting, part, { after }))}
      order by e.time_micros, e.sequence limit 1 offset ${countedAtOnce - 1}`,
  );
  const [row] = rows;
  return row && { timeMicros: row.time_micros, sequence: row.sequence };
}

async function countSlice(
  counting: Counting,
  { part, conditions }: Slice,
  counts: Map<string, AuditCount>,
): Promise<void> {
  const { engine, query } = counting;
  const columns = query.by.map((field) => sql`e.${sql.ref(field)}`);
  const interval = query.intervalMicros;
  // Whole numbers: the quotient is one as well.
  const bucket = interval === undefined ? sql`0` : sql`e.time_micros / ${sql.lit(interval)}`;
  const selected = [bucket, ...columns].map((column, index) => sql`${column} as ${name(index)}`);
  const places = selected.map((_, index) => sql.lit(index + 1));
  const rows = await run<Record<string, string | number | null>>(
    counting,
    sql`select ${sql.join(selected)}, count(*) as events from ${part.table}
      where ${allOf([...conditions, ...passing(query, (text) => engine.encodeText(text))])}
      group by ${sql.join(places)} limit ${MAX_AUDIT_COUNTS + 1}`,
  );
  for (const row of rows) {
    const values = query.by.map((_, index) => {
      const value = row[`c${index + 1}`] ?? '';
      return typeof value === 'string' ? engine.decodeText(value) : value;
    });
    const startMicros = Number(row['c0']) * (interval ?? 0);
    const key = JSON.stringify([startMicros, values]);
    const count = Number(row['events']) + (counts.get(key)?.count ?? 0);
    counts.set(key, { startMicros, values, count });
  }
  if (counts.size <= MAX_AUDIT_COUNTS) return;
  throw new QueryTooLargeError(
    `there are more than ${MAX_AUDIT_COUNTS} different counts: choose a shorter time from since to before, a longer interval or a filter`,
  );
}

function name(index: number): RawBuilder<unknown> {
  return sql.ref(`c${index}`);
}

function timeConditions({ fromMicros, toMicros }: Part): RawBuilder<unknown>[] {
  return [sql`e.time_micros >= ${fromMicros}`, sql`e.time_micros < ${toMicros}`];
}

function placeConditions(
  { tenant }: Counting,
  part: Part,
  { after, upTo }: { after?: AuditPlace | undefined; upTo?: AuditPlace | undefined },
): RawBuilder<unknown>[] {
  const place = sql`(e.time_micros, e.sequence)`;
  const conditions = [sql`e.tenant = ${tenant}`, ...timeConditions(part)];
  if (after) conditions.push(sql`${place} > (${after.timeMicros}, ${after.sequence})`);
  if (upTo) conditions.push(sql`${place} <= (${upTo.timeMicros}, ${upTo.sequence})`);
  return conditions;
}

/** One statement, with what is left of the time. */
async function run<Row>(
  { database, engine, clock, deadlineMs }: Counting,
  statement: RawBuilder<Row>,
): Promise<Row[]> {
  const leftMs = Math.ceil(deadlineMs - clock.monotonic());
  if (leftMs <= 0) throw tooSlow();
  const rows = await engine.runWithin(database, statement, leftMs);
  if (rows === 'too slow') throw tooSlow();
  return rows;
}

function tooSlow(): QueryTooLargeError {
  return new QueryTooLargeError(
    `this takes more than ${MAX_COUNTING_MS / 1000} seconds: choose a shorter time from since to before, or a filter that few events pass`,
  );
}
