import { setImmediate } from 'node:timers/promises';
import type { AuditEntry, AuditPlace, AuditQuery } from '@trailpush/core';

import { patchOf } from './json-difference.ts';

/** Of one body. */
const MAX_BODY_BYTES = 48 * 1024;
/** What is compared: the first that both entries have. */
const BODIES = ['resource_value', 'resource_response', 'resource_request'] as const;
const NAMES = {
  resource_value: 'value',
  resource_response: 'response',
  resource_request: 'request',
} as const;

/**
 * For each entry of a history page, in its order, what it changed: JSON on one line with the compared body, the entry
 * that it was compared with, and a JSON Patch with old values. Entries that failed or only looked changed nothing.
 * @param previous the last change before the oldest of them
 */
export async function differencesOf(
  entries: readonly AuditEntry[],
  direction: AuditQuery['direction'],
  previous: AuditEntry | undefined,
): Promise<string[]> {
  const differences: string[] = [];
  let last = previous;
  for (const entry of direction === 'asc' ? entries : entries.toReversed()) {
    const isChange = isChangeOf(entry);
    differences.push(isChange ? differenceOf(entry, last) : text(null, null, '[]'));
    if (isChange) last = entry;
    // Comparing is work: others have their turn in between.
    await setImmediate();
  }
  return direction === 'asc' ? differences : differences.toReversed();
}

/** The query for the last change before a page of a history. `next` is where the page ended. */
export function previousOf(query: AuditQuery, next: AuditPlace | undefined): AuditQuery {
  const { after, ...rest } = query;
  const filters = [
    ...query.filters,
    { field: 'action_result', values: ['failure'], isNegated: true } as const,
    { field: 'action_type', values: ['view'], isNegated: true } as const,
  ];
  const base = { ...rest, filters, direction: 'desc', limit: 1, sinceMicros: 0 } as const;
  // The page before an ascending one ended with the entry at the cursor, which counts.
  const edge =
    query.direction === 'desc' ? next : after && { ...after, sequence: after.sequence + 1 };
  return edge ? { ...base, after: edge } : { ...base, beforeMicros: query.sinceMicros };
}

function isChangeOf({ action_result: result, action_type: type }: AuditEntry): boolean {
  return result !== 'failure' && type !== 'view';
}

function differenceOf(entry: AuditEntry, previous: AuditEntry | undefined): string {
  const { old_value: oldValue, new_value: newValue, action_type: type } = entry;
  if (oldValue !== null || newValue !== null) {
    return compared('new_value', null, oldValue, newValue);
  }
  // What was deleted is not there any more.
  const before = type === 'create' || previous?.action_type === 'delete' ? null : previous;
  const isDeletion = type === 'delete';
  const body = BODIES.find(
    (name) => (isDeletion || hasBody(entry[name])) && (before === null || hasBody(before?.[name])),
  );
  if (before === undefined) return omitted(null, 'no_previous');
  if (body === undefined || (isDeletion && before === null)) {
    return omitted(before?.id ?? null, 'no_body');
  }
  const newer = isDeletion ? null : entry[body];
  return compared(NAMES[body], before?.id ?? null, before?.[body] ?? null, newer);
}

/** An empty object says nothing. */
function hasBody(body: string | null | undefined): boolean {
  return body !== null && body !== undefined && body !== '{}';
}

function compared(
  body: string,
  comparedWith: string | null,
  older: string | null,
  newer: string | null,
): string {
  const isTooLarge = [older, newer].some((each) => Buffer.byteLength(each ?? '') > MAX_BODY_BYTES);
  return isTooLarge
    ? omitted(comparedWith, 'too_large')
    : text(body, comparedWith, patchOf(older, newer));
}

function omitted(
  comparedWith: string | null,
  why: 'no_previous' | 'no_body' | 'too_large',
): string {
  return `{"compared_with":${JSON.stringify(comparedWith)},"omitted":"${why}"}`;
}

function text(body: string | null, comparedWith: string | null, patch: string): string {
  return `{"body":${JSON.stringify(body)},"compared_with":${JSON.stringify(comparedWith)},"patch":${patch}}`;
}
