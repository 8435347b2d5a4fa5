import type { InsertPlanResult, Ownership, Plan, ProgressStore } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { lockOwned } from './ownership.ts';
import {
  contentOf,
  isNameTaken,
  lockJobStatus,
  newObject,
  readQueue,
  type ObjectRow,
  type Queue,
} from './queue.ts';

export async function insertPlan(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  plan: Plan,
): Promise<InsertPlanResult> {
  if (plan.last < plan.first || plan.partition !== ownership.partition) {
    throw new Error(
      `plan ${plan.first} to ${plan.last} of partition ${plan.partition} is none of partition ${ownership.partition}`,
    );
  }
  const partition = await lockOwned(transaction, ownership);
  if (partition === undefined) return 'stale';
  const job = await lockJobStatus(transaction, plan.jobId, 'against deletion');
  if (job === undefined) return 'conflict';
  const queue = await readQueue(transaction, ownership, plan.jobId);
  const stored = queue.plans.find(({ first }) => first === plan.first);
  if (stored !== undefined) return isSamePlan(stored, plan) ? 'inserted' : 'conflict';
  if (!continues(queue, plan, partition.live_from)) return 'conflict';
  const inserted = await transaction
    .insertInto('objects')
    .values(newObject(ownership, plan))
    .onConflict((conflict) => conflict.column('name_hash').doNothing())
    .executeTakeFirstOrThrow();
  if (inserted.numInsertedOrUpdatedRows === 0n) return 'key_taken';
  if (queue.cursor === undefined) {
    await transaction
      .insertInto('cursors')
      .values({
        topic: ownership.topic,
        partition: ownership.partition,
        job_id: plan.jobId,
        cursor: plan.first,
        detached: 0,
      })
      .execute();
  }
  return 'inserted';
}

/** True when the plan begins exactly where the stored ones end. */
function continues({ cursor, plans }: Queue, { first }: Plan, liveFrom: number): boolean {
  const lastPlan = plans.at(-1);
  if (lastPlan !== undefined) return first === lastPlan.last + 1;
  if (cursor !== undefined) return first === cursor.cursor;
  return first >= liveFrom;
}

export function isSamePlan(stored: ObjectRow, plan: Plan): boolean {
  return (
    stored.last === plan.last &&
    stored.content_revision === plan.contentRevision &&
    stored.location === plan.location &&
    stored.key === plan.key &&
    stored.payload_hash === plan.payloadHash &&
    stored.encoder_version === plan.encoderVersion
  );
}

/** The same range and content revision, another payload or another name. */
export async function replacePlan(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  plan: Plan,
): ReturnType<ProgressStore['replacePlan']> {
  if ((await lockOwned(transaction, ownership)) === undefined) return 'stale';
  const { plans } = await readQueue(transaction, ownership, plan.jobId);
  const stored = plans.find(({ first }) => first === plan.first);
  if (
    stored === undefined ||
    stored.confirmed_at_ms !== null ||
    stored.last !== plan.last ||
    stored.content_revision !== plan.contentRevision
  ) {
    return 'conflict';
  }
  if (await isNameTaken(transaction, plan, stored.id)) return 'key_taken';
  const { numUpdatedRows } = await transaction
    .updateTable('objects')
    .set(contentOf(plan))
    .where('id', '=', stored.id)
    .executeTakeFirstOrThrow();
  // None when the job is being deleted.
  return numUpdatedRows === 1n ? 'replaced' : 'conflict';
}
