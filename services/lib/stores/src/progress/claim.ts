import type { ClaimedPartition, ProgressStore } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { lockPartition, type PartitionRow } from './ownership.ts';
import { openPlans } from './queue.ts';

type ClaimRequest = Parameters<ProgressStore['claim']>[0];

/** Takes a partition and reads all that is stored about it, at one moment. */
export async function claimPartition(
  transaction: Transaction<Tables>,
  request: ClaimRequest,
): Promise<ClaimedPartition> {
  const { topic, partition, owner, heldEpoch } = request;
  await makeRows(transaction, request);
  const stored = await lockPartition(transaction, request);
  if (stored === undefined) throw new Error(`partition ${partition} of ${topic} has lost its row`);
  const kept = stored.owner === owner && stored.epoch === heldEpoch;
  const epoch = kept ? stored.epoch : stored.epoch + 1;
  if (!kept) {
    await transaction
      .updateTable('partitions')
      .set({ epoch, owner })
      .where('topic', '=', topic)
      .where('partition', '=', partition)
      .execute();
  }
  const { incarnation } = await transaction
    .selectFrom('topics')
    .select('incarnation')
    .where('topic', '=', topic)
    .executeTakeFirstOrThrow();
  const cursors = await transaction
    .selectFrom('cursors')
    .select(['job_id', 'cursor', 'detached'])
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .orderBy('job_id')
    .execute();
  return {
    topic,
    partition,
    epoch,
    kept,
    liveFrom: stored.live_from,
    lastRead: lastReadOf(stored),
    incarnation,
    cursors: cursors.map((row) => ({
      jobId: row.job_id,
      cursor: row.cursor,
      detached: row.detached === 1,
    })),
    plans: await openPlans(transaction, request),
  };
}

/** A new partition is owned by nobody, under epoch 0. */
async function makeRows(
  transaction: Transaction<Tables>,
  { topic, partition, logStart }: ClaimRequest,
): Promise<void> {
  await transaction
    .insertInto('topics')
    .values({ topic, incarnation: 1 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await transaction
    .insertInto('partitions')
    .values({ topic, partition, epoch: 0, owner: '', live_from: logStart })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function lastReadOf({
  last_offset,
  last_timestamp_ms,
}: PartitionRow): ClaimedPartition['lastRead'] {
  return last_offset === null || last_timestamp_ms === null
    ? null
    : { offset: last_offset, timestampMs: last_timestamp_ms };
}
