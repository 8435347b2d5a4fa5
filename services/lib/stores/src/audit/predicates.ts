import type { AuditFilter } from '@trailpush/core';
import { sql, type RawBuilder } from 'kysely';

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

export function allOf(conditions: readonly RawBuilder<unknown>[]): RawBuilder<boolean> {
  return sql<boolean>`${sql.join(conditions, sql` and `)}`;
}
