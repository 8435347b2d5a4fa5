import type { Ownership, Plan, SplitPlanResult } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { lockOwned } from './ownership.ts';
import { isSamePlan } from './plans.ts';
import {
  contentOf,
  isNameTaken,
  lockJobStatus,
  newObject,
  readQueue,
  type ObjectRow,
} from './queue.ts';

/** Puts two plans in the place of one whose object was refused as a whole. */
export async function splitPlan(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  parts: readonly [Plan, Plan],
): Promise<SplitPlanResult> {
  const [left, right] = parts;
  if ((await lockOwned(transaction, ownership)) === undefined) return 'stale';
  const job = await lockJobStatus(transaction, left.jobId, 'against deletion');
  if (job === undefined) return 'conflict';
  const { plans } = await readQueue(transaction, ownership, left.jobId);
  const at = plans.findIndex(({ first }) => first === left.first);
  const [whole, next] = [plans[at], plans[at + 1]];
  if (whole === undefined) return 'conflict';
  // The answer to the first call was lost.
  if (next !== undefined && isSamePlan(whole, left) && isSamePlan(next, right)) return 'split';
  if (!isWhole(whole, parts)) return 'conflict';
  for (const part of parts) if (await isNameTaken(transaction, part, whole.id)) return 'key_taken';
  await transaction
    .updateTable('objects')
    .set({ last: left.last, ...contentOf(left) })
    .where('id', '=', whole.id)
    .execute();
  // Were its name taken since we looked, the transaction would be begun anew.
  await transaction.insertInto('objects').values(newObject(ownership, right)).execute();
  return 'split';
}

function isWhole(whole: ObjectRow, [left, right]: readonly [Plan, Plan]): boolean {
  const isSameContent = (part: Plan) =>
    part.jobId === whole.job_id && part.contentRevision === whole.content_revision;
  return (
    whole.confirmed_at_ms === null &&
    left.first <= left.last &&
    left.last + 1 === right.first &&
    right.first <= right.last &&
    right.last === whole.last &&
    isSameContent(left) &&
    isSameContent(right)
  );
}
