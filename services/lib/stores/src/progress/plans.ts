import type { InsertPlanResult, Ownership, Plan, ProgressStore } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { lockOwned } from './ownership.ts';
import {
  contentOf,
  EMPTY,
  isNameTaken,
  lockJobs,
  newObject,
  readQueue,
  readQueues,
  type ObjectRow,
  type Queue,
} from './queue.ts';

/** @throws when a plan makes no sense at all */
export function checkPlan({ partition }: Ownership, plan: Plan): void {
  if (plan.last >= plan.first && plan.partition === partition) return;
  throw new Error(
    `plan ${plan.first} to ${plan.last} of partition ${plan.partition} is none of partition ${partition}`,
  );
}

/** Plans of different jobs, each for itself: one that cannot be stored does not keep the others back. */
export async function insertPlans(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  plans: readonly Plan[],
): Promise<InsertPlanResult[]> {
  const partition = await lockOwned(transaction, ownership);
  if (partition === undefined) return plans.map(() => 'stale');
  const jobIds = plans.map(({ jobId }) => jobId);
  const jobs = await lockJobs(transaction, jobIds, 'against deletion');
  const queues = await readQueues(transaction, ownership, jobIds);
  const results = plans.map((plan): InsertPlanResult | 'new' => {
    if (!jobs.has(plan.jobId)) return 'conflict';
    const queue = queues.get(plan.jobId) ?? EMPTY;
    const stored = queue.plans.find(({ first }) => first === plan.first);
    if (stored !== undefined) return isSamePlan(stored, plan) ? 'inserted' : 'conflict';
    return continues(queue, plan, partition.live_from) ? 'new' : 'conflict';
  });
  const fresh = plans.filter((_, index) => results[index] === 'new');
  const inserted = await insertFresh(transaction, ownership, { fresh, queues });
  return plans.map(({ jobId }, index) => {
    const result = results[index] ?? 'conflict';
    if (result !== 'new') return result;
    return inserted.has(jobId) ? 'inserted' : 'key_taken';
  });
}

/** Resolves to the jobs whose plans are stored; the names of the others are taken. */
async function insertFresh(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  { fresh, queues }: { fresh: readonly Plan[]; queues: ReadonlyMap<number, Queue> },
): Promise<ReadonlySet<number>> {
  if (fresh.length === 0) return new Set();
  const rows = await transaction
    .insertInto('objects')
    .values(fresh.map((plan) => newObject(ownership, plan)))
    .onConflict((conflict) => conflict.column('name_hash').doNothing())
    .returning('job_id')
    .execute();
  const inserted = new Set(rows.map(({ job_id }) => job_id));
  const { topic, partition } = ownership;
  const cursors = fresh
    .filter(({ jobId }) => inserted.has(jobId) && !queues.has(jobId))
    .map(({ jobId, first }) => ({
      ...{ topic, partition, job_id: jobId, cursor: first, detached: 0 },
    }));
  if (cursors.length > 0) await transaction.insertInto('cursors').values(cursors).execute();
  return inserted;
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
