import type { AuditEntry } from '@trailpush/core';
import { sql, type Kysely } from 'kysely';

import { COVERED_COLUMNS, COVERED_FIELDS } from './schema.ts';

/** PostgreSQL refuses rows for an index from 2,704 bytes on. */
export const MAX_COVERED_BYTES = 2000;
/** Of a UTF-16 unit in UTF-8; also of those of which our encoding makes two characters. */
export const MAX_BYTES_A_UNIT = 3;

/** True when the covered texts are too long for the index. */
export function isWide(entry: AuditEntry, words: string): boolean {
  let units = words.length;
  for (const name of COVERED_FIELDS) units += String(entry[name] ?? '').length;
  if (units * MAX_BYTES_A_UNIT <= MAX_COVERED_BYTES) return false;
  let bytes = Buffer.byteLength(words);
  for (const name of COVERED_FIELDS) bytes += 2 * Buffer.byteLength(String(entry[name] ?? ''));
  return bytes > MAX_COVERED_BYTES;
}

/**
 * Indexes by time of a month: one that holds the covered columns, and one for the few events whose texts are too long
 * for it.
 */
export async function createPostgresCovering(database: Kysely<never>, name: string): Promise<void> {
  const table = sql.table(name);
  const covered = sql.join(COVERED_COLUMNS.map((column) => sql.ref(column)));
  await sql`create index ${sql.ref(`${name}_covering`)} on ${table} (tenant, time_micros, sequence)
    include (${covered}) where not is_wide`.execute(database);
  await sql`create index ${sql.ref(`${name}_wide`)} on ${table} (tenant, time_micros, sequence)
    where is_wide`.execute(database);
}
