import type { AuditEvent } from '@trailpush/datasets';

import { rfc3339Micros } from './event-stamp.ts';

const JSON_TEXTS = new Set(['request', 'response', 'value', 'metadata', 'old_value', 'new_value']);

/**
 * The event as one line in the shape of the audit API's item, without a newline: bodies as they are,
 * members without a value left out.
 */
export function itemText(event: AuditEvent): string {
  return memberText('', event) ?? '{}';
}

function memberText(name: string, value: unknown): string | undefined {
  if (value === null) return undefined;
  if (typeof value === 'string' && JSON_TEXTS.has(name)) return value;
  if (typeof value === 'number' && name === 'time') return `"${rfc3339Micros(value)}"`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).flatMap(([key, inner]) => {
    const text = memberText(key, inner);
    return text === undefined ? [] : [`${JSON.stringify(key)}:${text}`];
  });
  return `{${members.join(',')}}`;
}
