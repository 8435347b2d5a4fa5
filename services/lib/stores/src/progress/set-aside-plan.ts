import type { NewDeadLetter, Ownership, SetAsidePlanResult } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { endError } from './confirm-plan.ts';
import { dropHead } from './cut-plan.ts';
import { isDeadLetter, saveDeadLetters } from './losses.ts';
import { lockOwned } from './ownership.ts';
import { lockJobStatus, readQueue } from './queue.ts';

/** Makes the only record of a job's first open plan a dead letter, in the place of the plan. */
export async function setAsidePlan(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  plan: { jobId: number; first: number },
  letter: NewDeadLetter,
  atMs: number,
): Promise<SetAsidePlanResult> {
  const { jobId, first } = plan;
  if ((await lockOwned(transaction, ownership)) === undefined) return { result: 'stale' };
  const job = await lockJobStatus(transaction, jobId, 'for change');
  if (job === undefined) return { result: 'conflict' };
  const { cursor, plans } = await readQueue(transaction, ownership, jobId);
  if (cursor !== undefined && cursor.cursor > first && (await isDeadLetter(transaction, letter))) {
    // The answer to the first call was lost.
    return { result: 'set_aside', cursor: cursor.cursor };
  }
  const [head, ...next] = plans;
  if (head?.first !== first || head.confirmed_at_ms !== null || head.records !== 1) {
    return { result: 'conflict' };
  }
  await endError(transaction, jobId);
  const moved = await dropHead(transaction, ownership, { job, head, next, atMs });
  // Its counter is locked last, as everywhere.
  await saveDeadLetters(transaction, [letter], atMs);
  return { result: 'set_aside', cursor: moved };
}
