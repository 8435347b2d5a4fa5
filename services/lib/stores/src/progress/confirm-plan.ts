import type { ConfirmPlanResult, Ownership, ProgressStore } from '@trailpush/core';
import type { Transaction } from 'kysely';

import { numberRows } from '../number-rows.ts';
import type { Tables } from '../schema.ts';
import { lockOwned } from './ownership.ts';
import { EMPTY, lockJobs, readQueues, type JobStatusRow, type ObjectRow } from './queue.ts';

type Confirmation = Parameters<ProgressStore['confirmPlan']>[1];

/** What a confirmation comes to. */
interface Confirmed {
  readonly plan: ObjectRow;
  /** Confirmed plans at the head, `plan` counted as such. */
  readonly popped: readonly ObjectRow[];
  readonly atMs: number;
}

/** Marks plans of different jobs, and moves each cursor over every plan at the head that is confirmed by now. */
export async function confirmPlans(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  confirmations: readonly Confirmation[],
): Promise<ConfirmPlanResult[]> {
  const partition = await lockOwned(transaction, ownership);
  if (partition === undefined) return confirmations.map(() => ({ result: 'stale' }));
  const jobIds = confirmations.map(({ jobId }) => jobId);
  const jobs = await lockJobs(transaction, jobIds, 'for change');
  const queues = await readQueues(transaction, ownership, jobIds);
  const results: ConfirmPlanResult[] = [];
  const confirmed: Confirmed[] = [];
  for (const { jobId, first, confirmedAtMs: atMs } of confirmations) {
    const { cursor, plans } = queues.get(jobId) ?? EMPTY;
    const plan = plans.find((row) => row.first === first);
    const head = plans[0]?.first;
    if (jobs.has(jobId) && plan === undefined) {
      const next = cursor?.cursor ?? partition.live_from;
      const before = next > first && (await isInLedger(transaction, ownership, jobId, first));
      results.push(before ? { result: 'confirmed', cursor: next } : { result: 'conflict' });
    } else if (plan === undefined || head === undefined || cursor?.cursor !== head) {
      results.push({ result: 'conflict' });
    } else {
      const popped = confirmedHeads(plans, plan);
      confirmed.push({ plan, popped, atMs });
      results.push({ result: 'confirmed', cursor: (popped.at(-1)?.last ?? head - 1) + 1 });
    }
  }
  await store(transaction, ownership, { confirmed, jobs });
  return results;
}

async function store(
  transaction: Transaction<Tables>,
  ownership: Ownership,
  { confirmed, jobs }: { confirmed: readonly Confirmed[]; jobs: ReadonlyMap<number, JobStatusRow> },
): Promise<void> {
  const completions = confirmed.flatMap(({ plan, popped, atMs }) => {
    const job = jobs.get(plan.job_id);
    return job ? [{ job, popped, atMs }] : [];
  });
  await updateStatus(transaction, completions);
  for (const { plan, popped, atMs } of confirmed) {
    if (popped.length === 0) await mark(transaction, plan, atMs);
  }
  const moved = confirmed.filter(({ popped }) => popped.length > 0);
  await moveToLedger(transaction, moved);
  const cursors = moved.map(({ plan, popped }) => [plan.job_id, (popped.at(-1) ?? plan).last + 1]);
  await moveCursors(transaction, ownership, cursors);
}

/** @param cursors pairs of a job and its new cursor */
export async function moveCursors(
  transaction: Transaction<Tables>,
  { topic, partition }: Ownership,
  cursors: readonly (readonly number[])[],
): Promise<void> {
  if (cursors.length === 0) return;
  await transaction
    .updateTable('cursors')
    .from(numberRows(transaction, ['job', 'next'], cursors).as('moved'))
    .set((eb) => ({ cursor: eb.ref('moved.next') }))
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .whereRef('job_id', '=', 'moved.job')
    .execute();
}

/** The plans in front that are confirmed, `plan` counted as such. */
function confirmedHeads(plans: readonly ObjectRow[], plan: ObjectRow): readonly ObjectRow[] {
  const open = plans.findIndex((row) => row.confirmed_at_ms === null && row !== plan);
  return open === -1 ? plans : plans.slice(0, open);
}

async function mark(
  transaction: Transaction<Tables>,
  plan: ObjectRow,
  atMs: number,
): Promise<void> {
  if (plan.confirmed_at_ms !== null) return;
  await transaction
    .updateTable('objects')
    .set({ confirmed_at_ms: atMs })
    .where('id', '=', plan.id)
    .execute();
}

export async function moveToLedger(
  transaction: Transaction<Tables>,
  moved: readonly Pick<Confirmed, 'popped' | 'atMs'>[],
): Promise<void> {
  const rows = moved.flatMap(({ popped, atMs }) => popped.map(({ id }) => [id, atMs]));
  if (rows.length === 0) return;
  await transaction
    .updateTable('objects')
    .from(numberRows(transaction, ['object', 'at_ms'], rows).as('moved'))
    .set((eb) => ({
      confirmed_at_ms: eb.fn.coalesce('objects.confirmed_at_ms', 'moved.at_ms'),
      ledger_at_ms: eb.ref('moved.at_ms'),
    }))
    .whereRef('objects.id', '=', 'moved.object')
    .execute();
}

/** In a list of numbers, for null: no event is that old. */
const NEVER = Number.MIN_SAFE_INTEGER;
const NO_ERROR = { last_error_ms: null, error_message: null, failing_since_ms: null };

/** Any success ends the job's error; only a moved cursor completes a time. */
export async function updateStatus(
  transaction: Transaction<Tables>,
  successes: readonly (Pick<Confirmed, 'popped' | 'atMs'> & { readonly job: JobStatusRow })[],
): Promise<void> {
  const rows = successes
    .filter(({ job, popped }) => popped.length > 0 || job.last_error_ms !== null)
    .map(({ job, popped, atMs }) => {
      const completed = popped.map((row) => row.max_timestamp_ms);
      if (job.last_complete_ms !== null) completed.push(job.last_complete_ms);
      return [job.id, atMs, completed.length === 0 ? NEVER : Math.max(...completed)];
    });
  if (rows.length === 0) return;
  await transaction
    .updateTable('jobs')
    .from(numberRows(transaction, ['job', 'at_ms', 'complete_ms'], rows).as('success'))
    .set((eb) => ({
      ...NO_ERROR,
      last_success_ms: eb.ref('success.at_ms'),
      last_complete_ms: eb.fn<number | null>('nullif', [
        'success.complete_ms',
        eb.cast<number>(eb.val(NEVER), 'bigint'),
      ]),
    }))
    .whereRef('jobs.id', '=', 'success.job')
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
