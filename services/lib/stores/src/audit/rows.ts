import type { AuditEntry, Tenant } from '@trailpush/core';

import type { BulkValue } from '../bulk.ts';
import { EVENT_TEXTS, type EventRow } from './schema.ts';

/** The values of `STORED_COLUMNS`. */
export function rowOf(entry: AuditEntry, tenant: number, words: string): BulkValue[] {
  let bytes = 0;
  const row: BulkValue[] = [tenant, entry.timeMicros, 0, entry.raw_status_code];
  for (let index = 0; index < EVENT_TEXTS.length; index++) {
    const name = EVENT_TEXTS[index];
    if (name === undefined) break;
    const text = entry[name];
    row.push(text);
    if (text !== null) bytes += text.length;
  }
  row[2] = bytes;
  row.push(words);
  return row;
}

/** Words as they are stored: each between two spaces. */
export function wordsText(words: readonly string[]): string {
  return ` ${words.join(' ')} `;
}

export function entryOf(
  row: EventRow,
  tenant: Tenant,
  decode: (text: string) => string,
): AuditEntry {
  const entry: Record<string, unknown> = {
    tenant,
    timeMicros: row.time_micros,
    raw_status_code: row.raw_status_code,
  };
  for (const name of EVENT_TEXTS) {
    const text = row[name];
    entry[name] = text === null ? null : decode(text);
  }
  return entry as unknown as AuditEntry;
}
