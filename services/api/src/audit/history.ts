import type { AuditEntry, AuditField, AuditFilter } from '@trailpush/core';

/** How sure it is that the entries of a history are all about one resource. */
export type HistoryStatus = 'exact' | 'approximate' | 'unavailable';

export interface History {
  readonly status: HistoryStatus;
  /** What entries of the same resource have in common. */
  readonly filters: readonly AuditFilter[];
}

/** With these methods, the URI is that of the resource; a POST goes to what contains it. */
const NAMES_ITS_RESOURCE: ReadonlySet<string | null> = new Set(['PUT', 'PATCH', 'DELETE', 'GET']);

/**
 * What identifies the resource of an entry: its id within product, type and zone; without one the URI, as far
 * as that names it. Otherwise only what kind of resource it is, which is a guess.
 */
export function historyOf(entry: AuditEntry): History {
  const place = same(entry, ['resource_product', 'resource_type', 'resource_scope', 'zone_id']);
  if (hasText(entry.resource_id)) {
    return { status: 'exact', filters: [...same(entry, ['resource_id']), ...place] };
  }
  if (hasText(entry.raw_uri) && NAMES_ITS_RESOURCE.has(entry.raw_method)) {
    return { status: 'exact', filters: same(entry, ['raw_uri']) };
  }
  const isKindKnown = hasText(entry.resource_product) || hasText(entry.resource_type);
  if (isKindKnown) return { status: 'approximate', filters: place };
  return { status: 'unavailable', filters: [] };
}

function hasText(text: string | null): text is string {
  return text !== null && text !== '';
}

/** Fields without a value say nothing of the resource. */
function same(
  entry: AuditEntry,
  fields: readonly Exclude<AuditField, 'raw_status_code'>[],
): AuditFilter[] {
  return fields.flatMap((field) => {
    const value = entry[field];
    return hasText(value) ? [{ field, values: [value], isNegated: false }] : [];
  });
}
