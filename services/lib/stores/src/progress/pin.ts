import type { Ownership, Pin } from '@trailpush/core';
import type { ExpressionBuilder, Transaction } from 'kysely';

import { numberRows } from '../number-rows.ts';
import type { Tables } from '../schema.ts';
import { lockOwned } from './ownership.ts';

/**
 * Stores where jobs are. Plans may have been inserted or confirmed since the caller looked: what they
 * have stored is newer, and stays.
 */
export async function pinPartition(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  { cursors, idleJobIds, lastRead, liveFrom }: Pin,
): Promise<boolean> {
  const stored = await lockOwned(transaction, ownership);
  if (stored === undefined) return false;
  const { topic, partition } = ownership;
  const nextLiveFrom = Math.max(stored.live_from, liveFrom);
  if (cursors.length > 0) await upsertCursors(transaction, ownership, cursors);
  if (idleJobIds.length > 0) await dropIdle(transaction, ownership, idleJobIds, nextLiveFrom);
  const readOn = lastRead !== null && lastRead.offset >= (stored.last_offset ?? 0);
  await transaction
    .updateTable('partitions')
    .set({
      live_from: nextLiveFrom,
      ...(readOn ? { last_offset: lastRead.offset, last_timestamp_ms: lastRead.timestampMs } : {}),
    })
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .execute();
  return true;
}

type PinnedTables = Tables & { excluded: Tables['cursors'] };

async function upsertCursors(
  transaction: Transaction<Tables>,
  { topic, partition }: Ownership,
  cursors: Pin['cursors'],
): Promise<void> {
  const rows = cursors.map(({ jobId, cursor, detached }) => [jobId, cursor, detached ? 1 : 0]);
  await transaction
    .insertInto('cursors')
    .columns(['topic', 'partition', 'job_id', 'cursor', 'detached'])
    .expression((eb) =>
      eb
        .selectFrom(numberRows(transaction, ['job', 'next', 'detached'], rows).as('pinned'))
        // Jobs that were deleted meanwhile have no place any more.
        .innerJoin('jobs', 'jobs.id', 'pinned.job')
        .select([
          eb.cast<string>(eb.val(topic), 'text').as('topic'),
          eb.cast<number>(eb.val(partition), 'bigint').as('partition'),
          'pinned.job',
          'pinned.next',
          'pinned.detached',
        ])
        // SQLite takes `on conflict` for a join condition otherwise.
        .where('jobs.id', '>', 0),
    )
    .onConflict((conflict) =>
      conflict
        .columns(['topic', 'partition', 'job_id'])
        .doUpdateSet((eb) => ({
          detached: eb.ref('excluded.detached'),
          cursor: eb
            .case()
            .when(mayMove(eb))
            .then(eb.ref('excluded.cursor'))
            .else(eb.ref('cursors.cursor'))
            .end(),
        }))
        // Rows that stay the same are not written again.
        .where((eb) =>
          eb.or([eb('excluded.detached', '<>', eb.ref('cursors.detached')), mayMove(eb)]),
        ),
    )
    .execute();
}

/** Forwards only, and never past a plan that is open. */
function mayMove(eb: ExpressionBuilder<PinnedTables, 'cursors' | 'excluded'>) {
  return eb.and([eb('excluded.cursor', '>', eb.ref('cursors.cursor')), eb.not(hasOpenPlans(eb))]);
}

function hasOpenPlans(eb: ExpressionBuilder<Tables, 'cursors'>) {
  return eb.exists(
    eb
      .selectFrom('objects')
      .select('objects.id')
      .whereRef('objects.topic', '=', 'cursors.topic')
      .whereRef('objects.partition', '=', 'cursors.partition')
      .whereRef('objects.job_id', '=', 'cursors.job_id')
      .where('objects.ledger_at_ms', 'is', null),
  );
}

/**
 * Drops the rows of jobs that owe nothing below `live_from`. A cursor beyond it stays: it was moved by a
 * plan that the caller had not seen confirmed yet, and without it those events would go out twice.
 */
async function dropIdle(
  transaction: Transaction<Tables>,
  { topic, partition }: Ownership,
  jobIds: readonly number[],
  liveFrom: number,
): Promise<void> {
  const rows = jobIds.map((id) => [id]);
  await transaction
    .deleteFrom('cursors')
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .where('cursor', '<=', liveFrom)
    .where('job_id', 'in', (eb) =>
      eb.selectFrom(numberRows(transaction, ['job'], rows).as('idle')).select('idle.job'),
    )
    .where((eb) => eb.not(hasOpenPlans(eb)))
    .execute();
}
