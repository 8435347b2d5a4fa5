import { withinRanges, type AuditField, type AuditFilter, type AuditQuery } from '@trailpush/core';
import { sql, type RawBuilder } from 'kysely';

import { COVERED_FIELDS } from './schema.ts';

/** The filter on rows of `of`, exactly. An absent value is the same as an empty one. */
export function passes(
  { field, values, isNegated }: AuditFilter,
  of: string,
  encode: (text: string) => string,
): RawBuilder<boolean> {
  const column = sql.ref(`${of}.${field}`);
  const list = sql.join(values.map((value) => (typeof value === 'number' ? value : encode(value))));
  const takesAbsent = values.includes('') !== isNegated;
  const found = isNegated ? sql`${column} not in (${list})` : sql`${column} in (${list})`;
  return takesAbsent ? sql<boolean>`(${found} or ${column} is null)` : sql<boolean>`${found}`;
}

/** Patterns for `like`, one of which all addresses within the range fit, and few others; none: any may be within. */
export function addressPatterns(range: string): readonly string[] {
  const [network = '', prefix = ''] = range.split('/');
  if (network.includes(':')) {
    // IPv4 addresses have a mapped form, and lie within whatever holds that.
    const holdsMapped = withinRanges([range])('0.0.0.0') || withinRanges([MAPPED])(network);
    return holdsMapped ? [] : ['%:%'];
  }
  const octets = network.split('.').slice(0, Math.floor(Number(prefix || '32') / 8));
  if (octets.length === 0) return [];
  return [`${octets.join('.')}${octets.length < 4 ? '.' : ''}%`, '%:%'];
}

const MAPPED = '::ffff:0:0/96';

/** What is true for all rows of `of` whose address lies within the range, and for few others. */
export function mayLieWithin(range: string, of: string): RawBuilder<boolean>[] {
  const column = sql.ref(`${of}.actor_ip_address`);
  const patterns = addressPatterns(range).map((pattern) => sql`${column} like ${pattern}`);
  return patterns.length === 0 ? [] : [sql<boolean>`(${sql.join(patterns, sql` or `)})`];
}

/** Rows of `of` that have a word with this beginning. It holds nothing that `like` would take for a wildcard. */
export function hasWordWith(word: string, of: string): RawBuilder<boolean> {
  return sql<boolean>`${sql.ref(`${of}.words`)} like ${`% ${word}%`}`;
}

/** What events of a query must be like, besides their time. An address may still lie outside the range. */
export function passing(
  { filters, words = [], addressRange }: Pick<AuditQuery, 'filters' | 'words' | 'addressRange'>,
  encode: (text: string) => string,
): RawBuilder<boolean>[] {
  return [
    ...filters.map((filter) => passes(filter, 'e', encode)),
    ...words.map((word) => hasWordWith(word, 'e')),
    ...(addressRange === undefined ? [] : mayLieWithin(addressRange, 'e')),
  ];
}

/** Whether an index by time knows all that is compared. */
export function isCovered({ filters }: Pick<AuditQuery, 'filters'>): boolean {
  const covered: readonly AuditField[] = COVERED_FIELDS;
  return filters.every(({ field }) => covered.includes(field));
}

export function allOf(conditions: readonly RawBuilder<unknown>[]): RawBuilder<boolean> {
  return sql<boolean>`${sql.join(conditions, sql` and `)}`;
}
