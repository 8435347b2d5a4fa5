import {
  withinRanges,
  type AuditEntry,
  type AuditFilter,
  type AuditFollow,
  type AuditHit,
  type AuditPlace,
  type AuditQuery,
  type Tenant,
} from '@trailpush/core';

import { monthOf } from '../months.ts';
import { addressPatterns } from '../predicates.ts';
import { entryOf } from '../rows.ts';
import { EVENT_COLUMNS, type EventRow } from '../schema.ts';
import type { Clickhouse } from './clickhouse.ts';
import { storable } from './rows.ts';
import { ch, integer, integers, joined, named, text, texts, type Statement } from './statement.ts';
import { EVENTS } from './tables.ts';
import { isVisible, partitionsWithin, type Visible } from './visible.ts';

/** Events at a time whose address may lie within a range. */
const MIN_CANDIDATES = 1000;
/** Sequences that the first look of a page in order of ingestion goes through; each further one twice as many. */
const FIRST_LOOK = 100_000;
/** Of one page, which may then be empty. */
const MAX_LOOKS = 10;

/** A tenant's part of the store. */
export interface Looking {
  readonly clickhouse: Clickhouse;
  readonly visible: Visible;
  readonly tenant: number;
}

interface HitRow {
  readonly time_micros: number;
  readonly sequence: number;
  readonly bytes: number;
  readonly address: string | null;
}

/** The first `count` events that pass, in the query's order. */
export async function findHits(of: Looking, query: AuditQuery, count: number): Promise<AuditHit[]> {
  const { addressRange } = query;
  if (addressRange === undefined) return (await readHits(of, query, count)).map(hitOf);
  const isWithin = withinRanges([addressRange]);
  const hits: AuditHit[] = [];
  let { after } = query;
  for (;;) {
    const wanted = Math.max(MIN_CANDIDATES, count - hits.length);
    const rows = await readHits(of, { ...query, ...(after && { after }) }, wanted);
    hits.push(...rows.filter(({ address }) => isWithin(address ?? '')).map(hitOf));
    const last = rows.at(-1);
    if (hits.length >= count || rows.length < wanted || last === undefined) break;
    after = hitOf(last);
  }
  return hits.slice(0, count);
}

async function readHits(of: Looking, query: AuditQuery, count: number): Promise<HitRow[]> {
  const { after, direction } = query;
  const isDescending = direction === 'desc';
  const fromMicros = isDescending ? query.sinceMicros : (after?.timeMicros ?? query.sinceMicros);
  const toMicros = isDescending && after ? after.timeMicros + 1 : query.beforeMicros;
  const partitions = partitionsWithin(of.visible, { fromMicros, toMicros });
  if (fromMicros >= toMicros || partitions.length === 0) return [];
  const conditions = [
    ...inRange(of, partitions, { fromMicros, toMicros }),
    ...(after ? [isBehind(after, direction)] : []),
    ...passing(query),
  ];
  const way = named(direction);
  return of.clickhouse.read<HitRow>(ch`
    select time_micros, sequence, bytes, actor_ip_address as address from ${named(EVENTS)}
    where ${joined(conditions, ' and ')}
    order by time_micros ${way}, sequence ${way} limit ${integer(count)}`);
}

/** The tenant's rows of a range of time, until exclusive, that are events. */
export function inRange(
  { tenant, visible }: Looking,
  partitions: readonly number[],
  range: { readonly fromMicros: number; readonly toMicros: number },
): Statement[] {
  return [
    ch`tenant = ${integer(tenant)}`,
    ch`time_micros >= ${integer(range.fromMicros)}`,
    ch`time_micros < ${integer(range.toMicros)}`,
    isVisible(visible, partitions),
  ];
}

function isBehind({ timeMicros, sequence }: AuditPlace, way: AuditQuery['direction']): Statement {
  const place = ch`(${integer(timeMicros)}, ${integer(sequence)})`;
  return way === 'desc'
    ? ch`(time_micros, sequence) < ${place}`
    : ch`(time_micros, sequence) > ${place}`;
}

/** What events of a query must be like, besides their time. An address may still lie outside the range. */
export function passing({
  filters,
  words = [],
  addressRange,
}: Pick<AuditQuery, 'filters' | 'words' | 'addressRange'>): Statement[] {
  const patterns = addressRange === undefined ? [] : addressPatterns(addressRange);
  return [
    ...filters.map(passes),
    ...words.map((word) => ch`words like ${text(`% ${word}%`)}`),
    ...(patterns.length === 0 ? [] : [ch`(${joined(patterns.map(isAddressLike), ' or ')})`]),
  ];
}

function isAddressLike(pattern: string): Statement {
  return ch`actor_ip_address like ${text(pattern)}`;
}

/** An absent value is the same as an empty one. */
function passes({ field, values, isNegated }: AuditFilter): Statement {
  const column = named(field);
  const list =
    field === 'raw_status_code'
      ? integers(values.map(Number))
      : texts(values.map((value) => storable(String(value))));
  const found = isNegated ? ch`${column} not in ${list}` : ch`${column} in ${list}`;
  const takesAbsent = field !== 'id' && values.includes('') !== isNegated;
  return takesAbsent ? ch`(${found} or ${column} is null)` : found;
}

function hitOf({ time_micros: timeMicros, sequence, bytes }: HitRow): AuditHit {
  return { timeMicros, sequence, bytes };
}

/** The events of hits, in their order. */
export async function readEvents(
  of: Looking,
  owner: Tenant,
  hits: readonly AuditPlace[],
): Promise<AuditEntry[]> {
  const months = new Set(hits.map(({ timeMicros }) => monthOf(timeMicros)));
  const partitions = of.visible.partitions
    .filter(({ month }) => months.has(month))
    .map(({ number }) => number);
  if (partitions.length === 0) return [];
  const rows = await of.clickhouse.read<EventRow & { readonly sequence: number }>(ch`
    select sequence, ${joined(EVENT_COLUMNS.map(named), ', ')} from ${named(EVENTS)}
    where tenant = ${integer(of.tenant)}
    and time_micros in ${integers(hits.map(({ timeMicros }) => timeMicros))}
    and sequence in ${integers(hits.map(({ sequence }) => sequence))}
    and ${isVisible(of.visible, partitions)}`);
  const entries = new Map(rows.map((row) => [row.sequence, entryOf(row, owner, (value) => value)]));
  return hits.flatMap(({ sequence }) => entries.get(sequence) ?? []);
}

/**
 * Hits of a page behind `query.after` in order of ingestion, one more than its limit if there are, and the sequence up to which
 * all were looked at. Looks at more and more while it finds nothing.
 */
export async function followHits(
  of: Looking,
  query: AuditFollow,
): Promise<{ readonly hits: readonly AuditHit[]; readonly end: number }> {
  const { lastSequence } = of.visible;
  const range = { fromMicros: query.sinceMicros, toMicros: query.beforeMicros };
  const partitions = partitionsWithin(of.visible, range);
  if (partitions.length === 0) return { hits: [], end: Math.max(query.after, lastSequence) };
  let end = query.after;
  for (let look = 0; look < MAX_LOOKS && end < lastSequence; look += 1) {
    const after = end;
    end = Math.min(lastSequence, after + FIRST_LOOK * 2 ** look);
    const conditions = [
      ...inRange(of, partitions, range),
      ch`sequence > ${integer(after)}`,
      ch`sequence <= ${integer(end)}`,
      ...passing(query),
    ];
    const rows = await of.clickhouse.read<HitRow>(ch`
      select time_micros, sequence, bytes from ${named(EVENTS)}
      where ${joined(conditions, ' and ')}
      order by sequence limit ${integer(query.limit + 1)}`);
    if (rows.length > 0) return { hits: rows.map(hitOf), end };
  }
  return { hits: [], end };
}
