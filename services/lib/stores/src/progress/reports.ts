/** What people and other services ask about delivery. */
import type { DeadLetter, Gap, LedgerEntry, Page } from '@trailpush/core';
import type { Kysely } from 'kysely';

import { deadLetterOf } from '../dead-letter-store.ts';
import type { Tables } from '../schema.ts';

/** The newest first. */
export async function listDeadLetters(
  database: Kysely<Tables>,
  limit: number,
): Promise<readonly DeadLetter[]> {
  const rows = await database
    .selectFrom('dead_letters')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(deadLetterOf);
}

/** In the order in which they were recorded. */
export async function listGaps(
  database: Kysely<Tables>,
  jobId: number,
  { limit, offset }: Page,
): Promise<readonly Gap[]> {
  const rows = await database
    .selectFrom('gaps')
    .selectAll()
    .where('job_id', '=', jobId)
    .orderBy('id')
    .limit(limit)
    .offset(offset)
    .execute();
  return rows.map((row) => ({
    jobId: row.job_id,
    topic: row.topic,
    partition: row.partition,
    from: row.from_offset,
    to: row.to_offset,
    reason: row.reason,
    possiblyDelivered: row.possibly_delivered === 1,
    seenAtMs: row.seen_at_ms,
  }));
}

/** In order of topic, partition and offset. */
export async function listLedger(
  database: Kysely<Tables>,
  jobId: number,
  { limit, offset }: Page,
): Promise<readonly LedgerEntry[]> {
  const rows = await database
    .selectFrom('objects')
    .selectAll()
    .where('job_id', '=', jobId)
    .where('ledger_at_ms', 'is not', null)
    .orderBy('topic')
    .orderBy('partition')
    .orderBy('first')
    .orderBy('id')
    .limit(limit)
    .offset(offset)
    .execute();
  return rows.map((row) => ({
    jobId: row.job_id,
    topic: row.topic,
    partition: row.partition,
    first: row.first,
    last: row.last,
    location: row.location,
    key: row.key,
    payloadHash: row.payload_hash,
    records: row.records,
    payloadBytes: row.payload_bytes,
    maxTimestampMs: row.max_timestamp_ms,
    confirmedAtMs: row.confirmed_at_ms ?? 0,
  }));
}
