import {
  QueryTooLargeError,
  withinRanges,
  type AuditEntry,
  type AuditHit,
  type AuditPlace,
  type AuditQuery,
  type Tenant,
} from '@trailpush/core';
import { sql, type Kysely, type RawBuilder } from 'kysely';

import { numberRows } from '../number-rows.ts';
import type { AuditEngine, Part } from './engine.ts';
import { monthOf, type Month } from './months.ts';
import { allOf, isCovered, passing } from './predicates.ts';
import { entryOf } from './rows.ts';
import { EVENT_COLUMNS, type AuditTables, type EventRow } from './schema.ts';
import { termsOfQuery } from './terms.ts';

/** Events of the tenant that are looked at, newest first, before the index of terms is asked. */
const PROBED_EVENTS = 1000;
/** When at least this share of them passes, going on like that is faster than the index. */
const DENSE_SHARE = 0.02;
/** Events at a time whose address may lie within a range. */
const MIN_CANDIDATES = 1000;

interface Search {
  readonly database: Kysely<AuditTables>;
  readonly engine: AuditEngine;
  readonly query: AuditQuery;
  readonly tenant: number;
  /** One list a filter that the index knows. */
  readonly terms: readonly (readonly number[])[];
  readonly isWithin: ((address: string) => boolean) | undefined;
}

/**
 * The first `count` events that pass, in the query's order. What is common is found on the way through
 * the newest events, what is rare through the index; which of them it is shows at the first look.
 */
export async function searchEvents(
  database: Kysely<AuditTables>,
  engine: AuditEngine,
  of: { query: AuditQuery; tenant: number; months: readonly Month[]; count: number },
): Promise<AuditHit[]> {
  const { query, tenant, count } = of;
  const terms = termsOfQuery(query, tenant);
  const { addressRange } = query;
  const isWithin = addressRange === undefined ? undefined : withinRanges([addressRange]);
  const search: Search = { database, engine, query, tenant, terms, isWithin };
  const hits: AuditHit[] = [];
  // What is asked by id is rare, too, and has an index of its own: a database that knows too little of a table would walk
  // through all of a tenant's events instead.
  const isById = query.filters.some(({ field, isNegated }) => field === 'id' && !isNegated);
  let isRare: boolean | undefined = terms.length === 0 ? isById : undefined;
  for (const part of partsOf(search, of.months)) {
    let after: AuditPlace | undefined = hits.at(-1) ?? query.after;
    if (isRare === undefined) {
      const probe = await probePart(search, part, after, count - hits.length);
      hits.push(...probe.hits);
      if (hits.length >= count) break;
      if (probe.end === undefined) continue;
      after = probe.end;
      isRare = probe.hits.length < PROBED_EVENTS * DENSE_SHARE;
    }
    hits.push(...(await scanPart(search, part, { after, isRare, count: count - hits.length })));
    if (hits.length >= count) break;
  }
  return hits;
}

function partsOf({ engine, query }: Search, months: readonly Month[]): readonly Part[] {
  const { direction, after } = query;
  const isDescending = direction === 'desc';
  const fromMicros = isDescending ? query.sinceMicros : (after?.timeMicros ?? query.sinceMicros);
  const toMicros = isDescending && after !== undefined ? after.timeMicros + 1 : query.beforeMicros;
  if (fromMicros >= toMicros) return [];
  const [first, last] = [monthOf(fromMicros), monthOf(toMicros - 1)];
  const wanted = months
    .filter((month) => month >= first && month <= last)
    .toSorted((a, b) => (isDescending ? b - a : a - b));
  return engine.partsOf(wanted, { fromMicros, toMicros });
}

/**
 * The hits among the next events of a part, and where those end; undefined when there are no more. The end
 * comes first: found afterwards, events stored meanwhile would have moved it, and hits behind it would be
 * found twice.
 */
async function probePart(
  search: Search,
  part: Part,
  after: AuditPlace | undefined,
  count: number,
): Promise<{ hits: AuditHit[]; end: AuditPlace | undefined }> {
  const { database, query } = search;
  const { rows } = await sql<{ time_micros: number; sequence: number }>`
    select e.time_micros, e.sequence from ${part.table}
    where ${allOf(placeConditions(search, part, after))}
    order by ${orderOf(query, 'e')} limit 1 offset ${PROBED_EVENTS - 1}
  `.execute(database);
  const end = rows[0] && { timeMicros: rows[0].time_micros, sequence: rows[0].sequence };
  const hits = await scanPart(search, part, { after, upTo: end, isRare: false, count });
  return { hits, end };
}

interface Scan {
  readonly after: AuditPlace | undefined;
  /** Inclusive. */
  readonly upTo?: AuditPlace | undefined;
  readonly isRare: boolean;
  readonly count: number;
}

/** Databases only know which addresses may lie within a range: what they find is looked at once more. */
async function scanPart(search: Search, part: Part, how: Scan): Promise<AuditHit[]> {
  const { isWithin } = search;
  if (isWithin === undefined) return (await scanRows(search, part, how)).map(hitOf);
  const hits: AuditHit[] = [];
  const count = Math.max(how.count, MIN_CANDIDATES);
  let { after } = how;
  for (;;) {
    const rows = await scanRows(search, part, { ...how, after, count });
    const found = rows.filter(({ address }) => address !== null && isWithin(address));
    hits.push(...found.map(hitOf));
    const last = rows.at(-1);
    if (hits.length >= how.count) return hits.slice(0, how.count);
    if (rows.length < count || last === undefined) return hits;
    after = hitOf(last);
  }
}

async function scanRows(search: Search, part: Part, how: Scan): Promise<HitRow[]> {
  const { database, engine, query, terms } = search;
  const conditions = [
    ...placeConditions(search, part, how.after, how.isRare),
    ...(how.upTo
      ? [sql`${PLACE} ${query.direction === 'desc' ? sql`>=` : sql`<=`} ${placeOf(how.upTo)}`]
      : []),
    ...passing(query, (text) => engine.encodeText(text)),
    ...(how.isRare && terms.length > 0 ? [part.matching(terms)] : []),
  ];
  // Words are too many to look at anywhere but in an index.
  const byIndex = query.words !== undefined && !how.isRare && isCovered(query);
  const rows: HitRow[] = [];
  for (const half of byIndex ? engine.coverage : [sql`true`]) {
    const statement = sql<HitRow>`
      select e.time_micros, e.sequence, e.bytes, e.actor_ip_address as address
      from ${part.table} where ${half} and ${allOf(conditions)}
      order by ${orderOf(query, 'e')} limit ${how.count}
    `;
    const found = await engine.runWithin(database, statement);
    if (found === 'too slow') {
      throw new QueryTooLargeError(
        'this takes too long: choose a shorter time from since to before, or a filter that few events pass',
      );
    }
    rows.push(...found);
  }
  if (!byIndex) return rows;
  const sign = query.direction === 'asc' ? 1 : -1;
  return rows
    .toSorted((a, b) => sign * (a.time_micros - b.time_micros || a.sequence - b.sequence))
    .slice(0, how.count);
}

function placeConditions(
  { query, tenant }: Search,
  part: Part,
  after: AuditPlace | undefined,
  isRare = false,
): RawBuilder<unknown>[] {
  const { fromMicros, toMicros } = part;
  const conditions = [
    // As an expression, it keeps the database from the index by time.
    isRare ? sql`e.tenant + 0 = ${tenant}` : sql`e.tenant = ${tenant}`,
    sql`e.time_micros >= ${fromMicros}`,
    sql`e.time_micros < ${toMicros}`,
  ];
  if (after !== undefined) {
    const sign = query.direction === 'desc' ? sql`<` : sql`>`;
    conditions.push(sql`${PLACE} ${sign} ${placeOf(after)}`);
  }
  return conditions;
}

const PLACE = sql`(e.time_micros, e.sequence)`;

function placeOf({ timeMicros, sequence }: AuditPlace): RawBuilder<unknown> {
  return sql`(${timeMicros}, ${sequence})`;
}

function orderOf({ direction }: AuditQuery, of: string): RawBuilder<unknown> {
  const way = direction === 'desc' ? sql`desc` : sql`asc`;
  return sql`${sql.ref(`${of}.time_micros`)} ${way}, ${sql.ref(`${of}.sequence`)} ${way}`;
}

interface HitRow {
  readonly time_micros: number;
  readonly sequence: number;
  readonly bytes: number;
  readonly address: string | null;
}

function hitOf({ time_micros: timeMicros, sequence, bytes }: HitRow): AuditHit {
  return { timeMicros, sequence, bytes };
}

/** The events of hits, in their order. */
export async function readEvents(
  database: Kysely<AuditTables>,
  engine: AuditEngine,
  of: { owner: Tenant; tenant: number; hits: readonly AuditPlace[] },
): Promise<AuditEntry[]> {
  const { tenant, hits } = of;
  const months = new Map<Month, (readonly [number, number])[]>();
  for (const { timeMicros, sequence } of hits) {
    const month = monthOf(timeMicros);
    const places = months.get(month) ?? [];
    places.push([timeMicros, sequence]);
    months.set(month, places);
  }
  const columns = EVENT_COLUMNS.map((name) => sql.ref(`e.${name}`));
  const entries = new Map<number, AuditEntry>();
  for (const [month, places] of months) {
    const wanted = numberRows(database, ['time_micros', 'sequence'], places);
    const { rows } = await sql<EventRow & { readonly sequence: number }>`
      select e.sequence, ${sql.join(columns)} from ${engine.eventsAt(month, tenant, wanted)}
    `.execute(database);
    for (const row of rows) {
      entries.set(
        row.sequence,
        entryOf(row, of.owner, (text) => engine.decodeText(text)),
      );
    }
  }
  return hits.flatMap(({ sequence }) => entries.get(sequence) ?? []);
}
