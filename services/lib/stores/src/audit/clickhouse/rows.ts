import { searchWordsOf, type AuditEntry } from '@trailpush/core';

import type { NewEvent } from '../engine.ts';
import { rowOf, wordsText } from '../rows.ts';

/** Its row is that of `STORED_COLUMNS`. */
export function newEvent(entry: AuditEntry, tenant: number): NewEvent {
  const row = rowOf(entry, tenant, wordsText(searchWordsOf(entry))).map((value) =>
    typeof value === 'string' ? storable(value) : value,
  );
  return { tenant, timeMicros: entry.timeMicros, id: storable(entry.id), row };
}

/** Half of a surrogate pair has no place in UTF-8. */
export function storable(text: string): string {
  return text.toWellFormed();
}
