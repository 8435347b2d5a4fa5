import type {
  AuditEntry,
  AuditField,
  AuditFilter,
  AuditQuery,
  EncodedTexts,
} from '@trailpush/core';

import { EVENT_TEXTS } from './schema.ts';

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
  ordinaryBytes: ordinary.map((text) => Buffer.from(text)),
  /** Where `EncodedTexts` have it; -1: it is no text. */
  place: EVENT_TEXTS.findIndex((name) => name === field),
}));

/** The most terms that an event has. */
export const MAX_TERMS = FIELDS.length;

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

/** The same for an entry whose texts are bytes, valid UTF-8. Writes the terms into `terms`, and returns their number. */
export function encodedTerms(
  { bytes, ranges, at }: EncodedTexts,
  of: { readonly statusCode: number | null; readonly tenant: number },
  terms: Int32Array,
): number {
  const { statusCode, tenant } = of;
  let count = 0;
  for (let index = 0; index < FIELDS.length; index++) {
    const indexed = FIELDS[index];
    if (!indexed) break;
    const { place, number, ordinary, ordinaryBytes } = indexed;
    if (place < 0) {
      const text = String(statusCode);
      if (statusCode !== null && !ordinary.has(text)) terms[count++] = hash(tenant, number, text);
      continue;
    }
    const start = ranges[at + 2 * place] ?? -1;
    const end = ranges[at + 2 * place + 1] ?? 0;
    if (start < 0 || start === end || isOneOf(ordinaryBytes, bytes, start, end)) continue;
    let state = hashStart(tenant, number);
    let allBits = 0;
    for (let from = start; from < end; from++) {
      const byte = bytes[from] ?? 0;
      state = Math.imul(state ^ byte, FNV_PRIME);
      allBits |= byte;
    }
    // Other texts are not the same in UTF-8 as in UTF-16, of which terms are made.
    const isAscii = allBits < 0x80;
    terms[count++] = isAscii
      ? stirred(state)
      : hash(tenant, number, bytes.toString('utf8', start, end));
  }
  return count;
}

function isOneOf(texts: readonly Buffer[], bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index];
    if (text?.length !== end - start) continue;
    let same = 0;
    while (same < text.length && text[same] === bytes[start + same]) same++;
    if (same === text.length) return true;
  }
  return false;
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

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a, and a last stir: 32 bits with a sign. */
function hash(tenant: number, field: number, text: string): number {
  let state = hashStart(tenant, field);
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), FNV_PRIME);
  }
  return stirred(state);
}

function hashStart(tenant: number, field: number): number {
  return Math.imul(Math.imul(FNV_OFFSET ^ tenant, FNV_PRIME) ^ field, FNV_PRIME);
}

function stirred(state: number): number {
  const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 12);
}
