/** Dead letters and gaps: what was not delivered, and why. */
import type { Gap, NewDeadLetter, Ownership } from '@trailpush/core';
import type { Insertable, Kysely, Transaction } from 'kysely';

import { raiseCounter } from '../counters.ts';
import { insertNotice } from '../notices.ts';
import type { Tables } from '../schema.ts';
import { lockOwned } from './ownership.ts';
import { lockJobStatus, readQueue } from './queue.ts';

/** One statement carries at most so much: whole records can be large. */
const MAX_INSERT_BYTES = 8 * 1024 * 1024;
const MAX_INSERT_ROWS = 500;

export async function recordGap(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  gap: Gap,
): Promise<boolean> {
  const { topic, partition } = ownership;
  const { jobId, to } = gap;
  const stored = await lockOwned(transaction, ownership);
  if (stored === undefined) return false;
  // A job that was deleted meanwhile has lost nothing.
  const job = await lockJobStatus(transaction, jobId, 'against deletion');
  if (job === undefined) return true;
  const { cursor, plans } = await readQueue(transaction, ownership, jobId);
  if (plans.length > 0) throw new Error(`job ${jobId} has open plans below the gap at ${gap.from}`);
  await insertGap(transaction, ownership, gap);
  // Without a row, the job owes from `live_from` on.
  if (to <= (cursor?.cursor ?? stored.live_from)) return true;
  await transaction
    .insertInto('cursors')
    .values({ topic, partition, job_id: jobId, cursor: to, detached: 0 })
    .onConflict((conflict) =>
      conflict.columns(['topic', 'partition', 'job_id']).doUpdateSet({ cursor: to }),
    )
    .execute();
  return true;
}

/** One report that is sent again is one gap. */
export async function insertGap(
  transaction: Transaction<Tables>,
  { topic, partition }: Ownership,
  gap: Gap,
): Promise<void> {
  const { jobId, from, to } = gap;
  await transaction
    .insertInto('gaps')
    .values({
      job_id: gap.jobId,
      topic,
      partition,
      from_offset: gap.from,
      to_offset: gap.to,
      reason: gap.reason,
      possibly_delivered: gap.possiblyDelivered ? 1 : 0,
      seen_at_ms: gap.seenAtMs,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const accountId = await accountOf(transaction, jobId);
  const message =
    `the log lost offsets ${from} to ${to - 1} of partition ${partition} of ${topic} before job ` +
    `${jobId} had delivered them: ${gap.reason}`;
  await insertNotice(transaction, { kind: 'gap', jobId, accountId, message }, gap.seenAtMs);
}

async function accountOf(transaction: Transaction<Tables>, jobId: number): Promise<string | null> {
  const job = await transaction
    .selectFrom('jobs')
    .select('account_id')
    .where('id', '=', jobId)
    .executeTakeFirst();
  return job?.account_id ?? null;
}

/** Resolves to the largest id stored so far, also for no letters. */
export async function saveDeadLetters(
  transaction: Transaction<Tables>,
  letters: readonly NewDeadLetter[],
  seenAtMs: number,
): Promise<number> {
  if (letters.length > 0) {
    // Raised first: whoever comes later waits, so that ids appear in their order.
    let id = (await raiseCounter(transaction, 'dead_letters', letters.length)) - letters.length;
    const incarnations = await incarnationsOf(transaction, letters);
    const rows = letters.map((letter): Insertable<Tables['dead_letters']> => {
      id += 1;
      return {
        id,
        topic: letter.topic,
        incarnation: incarnations.get(letter.topic) ?? 1,
        partition: letter.partition,
        offset: letter.offset,
        job_id: letter.jobId,
        account_id: letter.accountId,
        reason: letter.reason,
        message: letter.message,
        timestamp_ms: letter.timestampMs,
        key: letter.key,
        value: letter.value,
        seen_at_ms: seenAtMs,
      };
    });
    for (const chunk of chunksOf(rows)) {
      await transaction
        .insertInto('dead_letters')
        .values(chunk)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    for (const letter of new Map(letters.map((of) => [of.jobId, of])).values()) {
      await insertLetterNotice(transaction, letter, seenAtMs);
    }
  }
  const largest = await transaction
    .selectFrom('dead_letters')
    .select('id')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return largest?.id ?? 0;
}

async function insertLetterNotice(
  transaction: Transaction<Tables>,
  letter: NewDeadLetter,
  nowMs: number,
): Promise<void> {
  const { jobId, topic, partition, offset, reason } = letter;
  const whose = jobId === null ? '' : ` of job ${jobId}`;
  const message =
    `a record was set aside as a dead letter${whose} (${reason}): offset ${offset} of partition ` +
    `${partition} of ${topic}; there may be more, and all are kept`;
  const accountId = jobId === null ? null : letter.accountId;
  await insertNotice(transaction, { kind: 'dead_letter', jobId, accountId, message }, nowMs);
}

/** True when this record is a dead letter already, for this job or for everybody. */
export async function isDeadLetter(
  database: Kysely<Tables>,
  { topic, partition, offset, jobId }: NewDeadLetter,
): Promise<boolean> {
  const incarnations = await incarnationsOf(database, [{ topic }]);
  const row = await database
    .selectFrom('dead_letters')
    .select('id')
    .where('topic', '=', topic)
    .where('incarnation', '=', incarnations.get(topic) ?? 1)
    .where('partition', '=', partition)
    .where('offset', '=', offset)
    .where('job_id', jobId === null ? 'is' : '=', jobId)
    .executeTakeFirst();
  return row !== undefined;
}

async function incarnationsOf(
  database: Kysely<Tables>,
  letters: readonly { readonly topic: string }[],
): Promise<ReadonlyMap<string, number>> {
  const topics = [...new Set(letters.map(({ topic }) => topic))];
  const rows = await database
    .selectFrom('topics')
    .selectAll()
    .where('topic', 'in', topics)
    .execute();
  return new Map(rows.map(({ topic, incarnation }) => [topic, incarnation]));
}

function chunksOf<Row extends { key?: Uint8Array | null; value?: Uint8Array | null }>(
  rows: readonly Row[],
): Row[][] {
  const chunks: Row[][] = [];
  let bytes = 0;
  for (const row of rows) {
    const chunk = chunks.at(-1);
    const rowBytes = (row.key?.length ?? 0) + (row.value?.length ?? 0);
    bytes += rowBytes;
    if (chunk === undefined || chunk.length === MAX_INSERT_ROWS || bytes > MAX_INSERT_BYTES) {
      chunks.push([row]);
      bytes = rowBytes;
    } else {
      chunk.push(row);
    }
  }
  return chunks;
}

/** Offsets of the topic's present incarnation that are bad for everybody. */
export async function deadLetterOffsets(
  database: Kysely<Tables>,
  range: { topic: string; partition: number; first: number; last: number },
  maxId: number,
): Promise<readonly number[]> {
  const incarnations = await incarnationsOf(database, [range]);
  const rows = await database
    .selectFrom('dead_letters')
    .select('offset')
    .where('topic', '=', range.topic)
    .where('incarnation', '=', incarnations.get(range.topic) ?? 1)
    .where('partition', '=', range.partition)
    .where('offset', '>=', range.first)
    .where('offset', '<=', range.last)
    .where('job_id', 'is', null)
    .where('id', '<=', maxId)
    .orderBy('offset')
    .execute();
  return rows.map(({ offset }) => offset);
}
