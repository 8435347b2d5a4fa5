import { withinRanges, type AuditFilter } from '@trailpush/core';
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

/** What is true for all rows of `of` whose address lies within the range, and for few others. */
export function mayLieWithin(range: string, of: string): RawBuilder<boolean>[] {
  const column = sql.ref(`${of}.actor_ip_address`);
  const [network = '', prefix = ''] = range.split('/');
  const hasColon = sql<boolean>`${column} like '%:%'`;
  if (network.includes(':')) {
    // IPv4 addresses have a mapped form, and lie within whatever holds that.
    const holdsMapped = withinRanges([range])('0.0.0.0') || withinRanges([MAPPED])(network);
    return holdsMapped ? [] : [hasColon];
  }
  const octets = network.split('.').slice(0, Math.floor(Number(prefix || '32') / 8));
  if (octets.length === 0) return [];
  const pattern = `${octets.join('.')}${octets.length < 4 ? '.' : ''}%`;
  return [sql<boolean>`(${column} like ${pattern} or ${hasColon})`];
}

const MAPPED = '::ffff:0:0/96';

export function allOf(conditions: readonly RawBuilder<unknown>[]): RawBuilder<boolean> {
  return sql<boolean>`${sql.join(conditions, sql` and `)}`;
}
