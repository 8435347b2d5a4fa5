import type { CutPlanResult, Ownership, Plan, PlanCut } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { moveCursors, moveToLedger, updateStatus } from './confirm-plan.ts';
import { insertGap } from './losses.ts';
import { lockOwned } from './ownership.ts';
import {
  contentOf,
  isNameTaken,
  lockJobStatus,
  readQueue,
  type JobStatusRow,
  type ObjectRow,
} from './queue.ts';

/** Takes what the log has lost out of a job's first open plan. */
export async function cutPlan(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  { gap, plan }: PlanCut,
): Promise<CutPlanResult> {
  const { jobId } = gap;
  if ((await lockOwned(transaction, ownership)) === undefined) return { result: 'stale' };
  const job = await lockJobStatus(transaction, jobId, 'for change');
  if (job === undefined) return { result: 'conflict' };
  const { plans } = await readQueue(transaction, ownership, jobId);
  const [head, ...next] = plans;
  if (head === undefined || !isCutOf(head, { gap, plan })) return { result: 'conflict' };
  if (plan !== undefined && (await isNameTaken(transaction, plan, head.id))) {
    return { result: 'key_taken' };
  }
  await insertGap(transaction, ownership, gap);
  if (plan === undefined) {
    const cursor = await dropHead(transaction, ownership, { job, head, next, atMs: gap.seenAtMs });
    return { result: 'cut', cursor };
  }
  await transaction
    .updateTable('objects')
    .set({ first: plan.first, ...contentOf(plan) })
    .where('id', '=', head.id)
    .execute();
  await moveCursors(transaction, ownership, [[jobId, plan.first]]);
  return { result: 'cut', cursor: plan.first };
}

/**
 * Drops a job's first open plan, which will not be delivered: plans that were confirmed before it go to
 * the ledger. Resolves to the cursor, behind all of them.
 */
export async function dropHead(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  queue: { job: JobStatusRow; head: ObjectRow; next: readonly ObjectRow[]; atMs: number },
): Promise<number> {
  const { job, head, next, atMs } = queue;
  const jobId = head.job_id;
  await transaction.deleteFrom('objects').where('id', '=', head.id).execute();
  const open = next.findIndex((row) => row.confirmed_at_ms === null);
  const popped = open === -1 ? next : next.slice(0, open);
  if (popped.length > 0) {
    await updateStatus(transaction, [{ job, popped, atMs }]);
    await moveToLedger(transaction, [{ popped, atMs }]);
  }
  const cursor = (popped.at(-1)?.last ?? head.last) + 1;
  await moveCursors(transaction, ownership, [[jobId, cursor]]);
  return cursor;
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
