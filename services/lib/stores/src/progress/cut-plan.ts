import type { CutPlanResult, Ownership, Plan, PlanCut } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { moveToLedger, updateStatus } from './confirm-plan.ts';
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
  const { jobId } = gap;
  if ((await lockOwned(transaction, ownership)) === undefined) return { result: 'stale' };
  const job = await lockJobStatus(transaction, jobId, 'for change');
  if (job === undefined) return { result: 'conflict' };
  const { plans } = await readQueue(transaction, ownership, jobId);
  const [head, ...next] = plans;
  if (head === undefined || !isCutOf(head, { gap, plan })) return { result: 'conflict' };
  if (plan !== undefined && (await isTaken(transaction, plan, head)))
    return { result: 'key_taken' };
  await insertGap(transaction, ownership, gap);
  let cursor = plan?.first ?? head.last + 1;
  if (plan !== undefined) {
    await transaction
      .updateTable('objects')
      .set({ first: plan.first, ...contentOf(plan) })
      .where('id', '=', head.id)
      .execute();
  } else {
    await transaction.deleteFrom('objects').where('id', '=', head.id).execute();
    const open = next.findIndex((row) => row.confirmed_at_ms === null);
    const popped = open === -1 ? next : next.slice(0, open);
    cursor = (popped.at(-1)?.last ?? head.last) + 1;
    if (popped.length > 0) {
      await updateStatus(transaction, job, gap, popped);
      await moveToLedger(transaction, popped, gap.seenAtMs);
    }
  }
  await transaction
    .updateTable('cursors')
    .set({ cursor })
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .where('job_id', '=', jobId)
    .execute();
  return { result: 'cut', cursor };
}

async function isTaken(
  transaction: Transaction<Tables>,
  plan: Plan,
  own: ObjectRow,
): Promise<boolean> {
  const namesake = await transaction
    .selectFrom('objects')
    .select('id')
    .where('name_hash', '=', nameHash(plan))
    .where('id', '<>', own.id)
    .executeTakeFirst();
  return namesake !== undefined;
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
