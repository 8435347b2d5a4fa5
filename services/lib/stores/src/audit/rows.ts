import { searchWordsOf, type AuditEntry, type Tenant } from '@trailpush/core';

import type { BulkValue } from '../bulk.ts';
import type { NewEvent } from './engine.ts';
import { EVENT_TEXTS, type EventRow } from './schema.ts';

export function newEvent(entry: AuditEntry, tenant: number): NewEvent {
  return { tenant, timeMicros: entry.timeMicros, entry, words: searchWordsOf(entry) };
}

/** The values of `STORED_COLUMNS`. */
export function rowOf(
  { tenant, timeMicros, entry, words }: NewEvent,
  encode: (text: string) => string,
): BulkValue[] {
  let bytes = 0;
  const row: BulkValue[] = [tenant, timeMicros, 0, entry.raw_status_code];
  for (let index = 0; index < EVENT_TEXTS.length; index++) {
    const name = EVENT_TEXTS[index];
    if (name === undefined) break;
    const text = entry[name];
    if (text === null) {
      row.push(null);
      continue;
    }
    bytes += text.length;
    row.push(encode(text));
  }
  row[2] = bytes;
  row.push(wordsText(words));
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
