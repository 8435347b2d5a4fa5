import type { AuditEntry, AuditField, AuditFilter, AuditQuery } from '@trailpush/core';

/**
 * Fields whose values are found through an inverted index of terms, with what nearly all events have:
 * that is found fast without an index, and would only make it large. Neither order nor lists may ever
 * change, since terms are stored.
 */
const INDEXED: readonly (readonly [field: AuditField, ordinary: readonly string[]])[] = [
  ['account_name', []],
  ['action_result', ['success']],
  ['action_type', ['create', 'update', 'delete']],
  ['actor_context', ['dash', 'api_token', 'api_key']],
  ['actor_email', []],
  ['actor_id', []],
  ['actor_ip_address', []],
  ['actor_token_id', []],
  ['actor_token_name', []],
  ['actor_type', ['user']],
  ['raw_cf_ray_id', []],
  ['raw_method', ['POST', 'PUT', 'PATCH', 'DELETE']],
  ['raw_status_code', ['200']],
  ['raw_uri', []],
  ['resource_id', []],
  ['resource_product', []],
  ['resource_scope', ['accounts', 'zones']],
  ['resource_type', []],
  ['zone_id', []],
  ['zone_name', []],
];

const FIELDS = INDEXED.map(([field, ordinary], number) => ({
  field,
  number,
  ordinary: new Set(['', ...ordinary]),
}));
const BY_FIELD = new Map(FIELDS.map((indexed) => [indexed.field, indexed]));

/** The terms of one event: a number for each value that is worth finding. `tenant` is its row's number. */
export function termsOf(entry: AuditEntry, tenant: number): number[] {
  const terms: number[] = [];
  for (let index = 0; index < FIELDS.length; index++) {
    const indexed = FIELDS[index];
    if (!indexed) break;
    const value = entry[indexed.field];
    if (value === null) continue;
    const text = String(value);
    if (!indexed.ordinary.has(text)) terms.push(hash(tenant, indexed.number, text));
  }
  return terms;
}

/**
 * The terms of which an event that passes the filter has at least one; undefined when the index does not
 * know them all. Two values may share a term: the values themselves must be compared as well.
 */
function termsOfFilter(filter: AuditFilter, tenant: number): number[] | undefined {
  const indexed = BY_FIELD.get(filter.field);
  if (filter.isNegated || indexed === undefined) return undefined;
  const texts = filter.values.map(String);
  if (texts.some((text) => indexed.ordinary.has(text))) return undefined;
  return texts.map((text) => hash(tenant, indexed.number, text));
}

/** One list for each filter that the index knows. None for what is asked by id, which has an index of its own. */
export function termsOfQuery({ filters }: Pick<AuditQuery, 'filters'>, tenant: number): number[][] {
  if (filters.some(({ field, isNegated }) => field === 'id' && !isNegated)) return [];
  return filters.flatMap((filter) => {
    const list = termsOfFilter(filter, tenant);
    return list === undefined ? [] : [list];
  });
}

/** FNV-1a, and a last stir: 32 bits with a sign. */
function hash(tenant: number, field: number, text: string): number {
  let state = Math.imul(0x811c9dc5 ^ tenant, 0x01000193);
  state = Math.imul(state ^ field, 0x01000193);
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  }
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
  return state ^ (state >>> 12);
}
