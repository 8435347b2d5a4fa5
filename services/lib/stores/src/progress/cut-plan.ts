import type { CutPlanResult, Ownership, Plan, PlanCut } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { insertGap } from './losses.ts';
import { lockOwned } from './ownership.ts';
import { contentOf, lockJobStatus, nameHash, readQueue, type ObjectRow } from './queue.ts';

/** Takes what the log has lost out of a job's first open plan. */
export async function cutPlan(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  { gap, plan }: PlanCut,
): Promise<CutPlanResult> {
  const { topic, partition } = ownership;
  if ((await lockOwned(transaction, ownership)) === undefined) return 'stale';
  const job = await lockJobStatus(transaction, gap.jobId, 'against deletion');
  if (job === undefined) return 'conflict';
  const { plans } = await readQueue(transaction, ownership, gap.jobId);
  const [head] = plans;
  if (head === undefined || !isCutOf(head, { gap, plan })) return 'conflict';
  if (plan === undefined) {
    await transaction.deleteFrom('objects').where('id', '=', head.id).execute();
  } else {
    const namesake = await transaction
      .selectFrom('objects')
      .select('id')
      .where('name_hash', '=', nameHash(plan))
      .where('id', '<>', head.id)
      .executeTakeFirst();
    if (namesake !== undefined) return 'key_taken';
    await transaction
      .updateTable('objects')
      .set({ first: plan.first, ...contentOf(plan) })
      .where('id', '=', head.id)
      .execute();
  }
  await insertGap(transaction, ownership, gap);
  await transaction
    .updateTable('cursors')
    .set({ cursor: plan?.first ?? head.last + 1 })
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .where('job_id', '=', gap.jobId)
    .execute();
  return 'cut';
}

function isCutOf(head: ObjectRow, { gap, plan }: PlanCut): boolean {
  if (head.first !== gap.from || head.confirmed_at_ms !== null) return false;
  if (gap.to <= gap.from || gap.to > head.last + 1) return false;
  return plan === undefined || isRestOf(head, plan, gap.to);
}

function isRestOf(head: ObjectRow, plan: Plan, from: number): boolean {
  return (
    plan.first === from &&
    plan.last === head.last &&
    plan.first <= plan.last &&
    plan.contentRevision === head.content_revision
  );
}
