import type { ConfirmPlanResult, Ownership, ProgressStore } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from '../schema.ts';
import { lockOwned } from './ownership.ts';
import { lockJobStatus, readQueue, type JobStatusRow, type ObjectRow } from './queue.ts';

type Confirmation = Parameters<ProgressStore['confirmPlan']>[1];

/** Marks a plan, and moves the cursor over every plan at the head that is confirmed by now. */
export async function confirmPlan(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  confirmation: Confirmation,
): Promise<ConfirmPlanResult> {
  const { jobId, first } = confirmation;
  const partition = await lockOwned(transaction, ownership);
  if (partition === undefined) return { result: 'stale' };
  const job = await lockJobStatus(transaction, jobId, 'for change');
  if (job === undefined) return { result: 'conflict' };
  const { cursor, plans } = await readQueue(transaction, ownership, jobId);
  const plan = plans.find((row) => row.first === first);
  if (plan === undefined) {
    const next = cursor?.cursor ?? partition.live_from;
    const before = next > first && (await isInLedger(transaction, ownership, jobId, first));
    return before ? { result: 'confirmed', cursor: next } : { result: 'conflict' };
  }
  const head = plans[0]?.first;
  if (head === undefined || cursor?.cursor !== head) return { result: 'conflict' };
  const popped = confirmedHeads(plans, plan);
  const last = popped.at(-1);
  await updateStatus(transaction, job, { jobId, atMs: confirmation.confirmedAtMs }, popped);
  if (last === undefined) {
    await mark(transaction, plan, confirmation);
    return { result: 'confirmed', cursor: head };
  }
  await moveToLedger(transaction, popped, confirmation.confirmedAtMs);
  await transaction
    .updateTable('cursors')
    .set({ cursor: last.last + 1 })
    .where('topic', '=', ownership.topic)
    .where('partition', '=', ownership.partition)
    .where('job_id', '=', jobId)
    .execute();
  return { result: 'confirmed', cursor: last.last + 1 };
}

/** The plans in front that are confirmed, `plan` counted as such. */
function confirmedHeads(plans: readonly ObjectRow[], plan: ObjectRow): readonly ObjectRow[] {
  const open = plans.findIndex((row) => row.confirmed_at_ms === null && row !== plan);
  return open === -1 ? plans : plans.slice(0, open);
}

async function mark(
  transaction: Transaction<Tables>,
  plan: ObjectRow,
  { confirmedAtMs }: Confirmation,
): Promise<void> {
  if (plan.confirmed_at_ms !== null) return;
  await transaction
    .updateTable('objects')
    .set({ confirmed_at_ms: confirmedAtMs })
    .where('id', '=', plan.id)
    .execute();
}

export async function moveToLedger(
  transaction: Transaction<Tables>,
  plans: readonly ObjectRow[],
  atMs: number,
): Promise<void> {
  await transaction
    .updateTable('objects')
    .set((eb) => ({
      confirmed_at_ms: eb.fn.coalesce('confirmed_at_ms', eb.val(atMs)),
      ledger_at_ms: atMs,
    }))
    .where(
      'id',
      'in',
      plans.map(({ id }) => id),
    )
    .execute();
}

const NO_ERROR = { last_error_ms: null, error_message: null, failing_since_ms: null };

/** Any success ends the job's error; only a moved cursor completes a time. */
export async function updateStatus(
  transaction: Transaction<Tables>,
  job: JobStatusRow,
  { jobId, atMs }: { readonly jobId: number; readonly atMs: number },
  popped: readonly ObjectRow[],
): Promise<void> {
  if (popped.length === 0 && job.last_error_ms === null) return;
  const completed = popped.map((row) => row.max_timestamp_ms);
  if (job.last_complete_ms !== null) completed.push(job.last_complete_ms);
  await transaction
    .updateTable('jobs')
    .set({
      ...NO_ERROR,
      last_success_ms: atMs,
      ...(popped.length > 0 ? { last_complete_ms: Math.max(...completed) } : {}),
    })
    .where('id', '=', jobId)
    .execute();
}

/** The destination takes what it is sent. */
export async function endError(transaction: Transaction<Tables>, jobId: number): Promise<void> {
  await transaction.updateTable('jobs').set(NO_ERROR).where('id', '=', jobId).execute();
}

async function isInLedger(
  transaction: Transaction<Tables>,
  { topic, partition }: Ownership,
  jobId: number,
  first: number,
): Promise<boolean> {
  const row = await transaction
    .selectFrom('objects')
    .select('id')
    .where('job_id', '=', jobId)
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .where('first', '=', first)
    .where('ledger_at_ms', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
