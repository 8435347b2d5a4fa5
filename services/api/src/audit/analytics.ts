import type { AuditCount, AuditCounting, AuditField } from '@trailpush/core';

import { filterNames, type Endpoint } from './filters.ts';
import { invalidParameter, type Parameters } from './parameters.ts';
import { timeText, type Window } from './time.ts';

/** In UTC, as the epoch is. */
const INTERVALS = { minute: 60_000_000, hour: 3_600_000_000, day: 86_400_000_000 } as const;
type Interval = keyof typeof INTERVALS;
const MAX_BUCKETS = 2500;

export type Value = string | number;
export interface ValueCount {
  readonly value: Value;
  readonly count: number;
}

/** What no chart shows, as nearly every event has its own. */
const UNIQUE: ReadonlySet<string> = new Set(['id', 'audit_log_id', 'raw_cf_ray_id', 'raw_uri']);

/** Fields whose values can be counted. */
export function countedFields(of: Endpoint): AuditField[] {
  return filterNames(of).filter(
    (name) => !name.endsWith('.not') && name !== 'product_category' && !UNIQUE.has(name),
  ) as AuditField[];
}

/** A field to count by; undefined when it was not sent. @throws ApiError */
export function readField(
  parameters: Parameters,
  name: string,
  of: Endpoint,
): AuditField | undefined {
  const text = parameters.one(name);
  if (text === undefined) return undefined;
  const fields = countedFields(of);
  const field = fields.find((each) => each === text);
  if (field !== undefined) return field;
  throw invalidParameter(name, `must be one of ${fields.join(', ')}`);
}

/** @throws ApiError when a chart would have too many points. */
export function readInterval(parameters: Parameters, { sinceMicros, beforeMicros }: Window) {
  const words = Object.keys(INTERVALS) as Interval[];
  const interval = parameters.word('interval', words, 'day');
  const micros = INTERVALS[interval];
  const buckets = Math.ceil(beforeMicros / micros) - Math.floor(sinceMicros / micros);
  if (buckets <= MAX_BUCKETS) return { interval, micros };
  throw invalidParameter(
    'interval',
    `would make ${buckets} buckets, and may make ${MAX_BUCKETS}: choose a longer one, or a shorter time from since to before`,
  );
}

/** The most frequent values first, `limit` of them, and how many events have others. */
export function topOf(counts: readonly AuditCount[], limit: number) {
  const sums = new Map<Value, number>();
  for (const { values, count } of counts) {
    const value = values[0] ?? '';
    sums.set(value, (sums.get(value) ?? 0) + count);
  }
  const all = [...sums].map(([value, count]): ValueCount => ({ value, count }));
  const inOrder = all.toSorted(
    (a, b) => b.count - a.count || (String(a.value) < String(b.value) ? -1 : 1),
  );
  const values = inOrder.slice(0, limit);
  const total = sum(all);
  return { total, distinct: all.length, values, other: total - sum(values) };
}

/** Every interval of the window, also those without events; groups are the most frequent values of the window. */
export function seriesOf(
  counts: readonly AuditCount[],
  { sinceMicros, beforeMicros }: Window,
  of: { readonly micros: number; readonly isGrouped: boolean; readonly limit: number },
) {
  const { total, values } = topOf(counts, of.limit);
  const byStart = new Map<number, AuditCount[]>();
  for (const count of counts) {
    const group = byStart.get(count.startMicros);
    if (group === undefined) byStart.set(count.startMicros, [count]);
    else group.push(count);
  }
  const buckets: object[] = [];
  const first = Math.floor(sinceMicros / of.micros) * of.micros;
  const end = sinceMicros < beforeMicros ? beforeMicros : first;
  for (let start = first; start < end; start += of.micros) {
    const found = byStart.get(start) ?? [];
    const bucket = { start: timeText(start), count: sum(found) };
    buckets.push(of.isGrouped ? { ...bucket, ...groupsOf(found, values) } : bucket);
  }
  return { total, buckets };
}

function groupsOf(found: readonly AuditCount[], shown: readonly ValueCount[]) {
  const counts = new Map(found.map(({ values, count }) => [values[0] ?? '', count]));
  const groups = shown.map(({ value }) => ({ value, count: counts.get(value) ?? 0 }));
  return { groups, other: sum(found) - sum(groups) };
}

/** What the cards of a dashboard show. */
export async function totalsOf(count: (by: AuditCounting['by']) => Promise<readonly AuditCount[]>) {
  const results = await count(['action_result']);
  const total = sum(results);
  const failures = sum(results.filter(({ values }) => values[0] === 'failure'));
  const products = await count(['resource_product']);
  // Who has no id, such as a token, may have an e-mail; the system has neither.
  const actors = (await count(['actor_id', 'actor_email'])).map(
    ({ values: [id = '', email = ''] }) => (id === '' ? `email ${email}` : `id ${id}`),
  );
  return {
    total,
    failures,
    failure_rate: total === 0 ? 0 : failures / total,
    unique_actors: new Set(actors.filter((actor) => actor !== 'email ')).size,
    products: products.filter(({ values }) => values[0] !== '').length,
  };
}

function sum(counts: readonly { readonly count: number }[]): number {
  return counts.reduce((total, { count }) => total + count, 0);
}
