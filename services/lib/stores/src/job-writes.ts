/**
 * The changes of jobs, each inside its caller's transaction. Locks are taken in the order job, plans,
 * cursors, counter.
 */
import { RevisionConflictError, type JobSpec, type Start } from '@trailpush/core';
import type { Transaction } from 'kysely';

import { insertRevision, type JobRow } from './job-rows.ts';
import { insertNotice } from './notices.ts';
import type { Tables } from './schema.ts';
import type { SecretBox } from './secret-box.ts';

/** Resolves to the id. */
export async function createJob(
  transaction: Transaction<Tables>,
  box: SecretBox,
  job: {
    accountId: string;
    spec: JobSpec;
    start: Start | undefined;
    nowMs: number;
    replayOf?: number;
  },
): Promise<number> {
  const { accountId, spec, start, nowMs, replayOf = null } = job;
  const { id } = await transaction
    .insertInto('jobs')
    .values({
      account_id: accountId,
      revision: 1,
      content_revision: 1,
      ever_enabled: spec.enabled || start !== undefined ? 1 : 0,
      created_at_ms: nowMs,
      updated_at_ms: nowMs,
      replay_of: replayOf,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await insertRevision(transaction, box, {
    accountId,
    jobId: id,
    revision: 1,
    contentRevision: 1,
    spec,
    createdAtMs: nowMs,
  });
  if (start !== undefined) await insertStart(transaction, id, start);
  return id;
}

/** Of a job that is locked. @throws RevisionConflictError */
export async function updateJob(
  transaction: Transaction<Tables>,
  box: SecretBox,
  change: {
    stored: JobRow;
    spec: JobSpec;
    expectedRevision: number;
    contentChanged: boolean;
    start: Start | undefined;
    disabledBecause?: string | undefined;
    nowMs: number;
  },
): Promise<void> {
  const { stored, spec, expectedRevision, contentChanged, start, nowMs } = change;
  const { disabledBecause: because } = change;
  if (stored.revision !== expectedRevision) {
    throw new RevisionConflictError(
      `job ${stored.id} was changed meanwhile: it is at revision ${stored.revision}, not ${expectedRevision}; read it again and repeat the change`,
    );
  }
  if (!contentChanged) assertSameContent(stored, spec);
  const revision = stored.revision + 1;
  const contentRevision = stored.content_revision + (contentChanged ? 1 : 0);
  await insertRevision(transaction, box, {
    accountId: stored.account_id,
    jobId: stored.id,
    revision,
    contentRevision,
    spec,
    createdAtMs: nowMs,
  });
  // A job that was enabled before goes on where it is: a row at the log's end would skip events.
  if (start !== undefined && stored.ever_enabled === 0) {
    await insertStart(transaction, stored.id, start);
  }
  await transaction
    .updateTable('jobs')
    .set({
      revision,
      content_revision: contentRevision,
      updated_at_ms: nowMs,
      ...(spec.enabled || start !== undefined ? { ever_enabled: 1 } : {}),
      // Somebody has looked after it: if it fails on, the count starts anew.
      failing_since_ms: null,
      ...(because === undefined ? {} : { last_error_ms: nowMs, error_message: because }),
    })
    .where('id', '=', stored.id)
    .execute();
  if (because === undefined) return;
  const { id: jobId, account_id: accountId } = stored;
  const message = `job ${jobId} was disabled: ${because}`;
  await insertNotice(transaction, { kind: 'job_disabled', jobId, accountId, message }, nowMs);
}

/** Of a job that is locked. Resolves to the number of plans that were dropped. */
export async function deleteJob(
  transaction: Transaction<Tables>,
  { stored, nowMs }: { stored: Pick<JobRow, 'id' | 'account_id' | 'revision'>; nowMs: number },
): Promise<number> {
  const { numDeletedRows } = await transaction
    .deleteFrom('objects')
    .where((eb) =>
      // Every open plan has a cursor row, whose partition leads to it.
      eb(
        eb.refTuple('topic', 'partition', 'job_id'),
        'in',
        eb
          .selectFrom('cursors')
          .select(['cursors.topic', 'cursors.partition', 'cursors.job_id'])
          .where('cursors.job_id', '=', stored.id)
          .$asTuple('topic', 'partition', 'job_id'),
      ),
    )
    .where('ledger_at_ms', 'is', null)
    .executeTakeFirstOrThrow();
  const droppedPlans = Number(numDeletedRows);
  await transaction.deleteFrom('cursors').where('job_id', '=', stored.id).execute();
  // With the job go the credentials of all its revisions.
  await transaction.deleteFrom('job_revisions').where('job_id', '=', stored.id).execute();
  await transaction.deleteFrom('jobs').where('id', '=', stored.id).execute();
  await transaction
    .insertInto('job_deletions')
    .values({
      job_id: stored.id,
      account_id: stored.account_id,
      revision: stored.revision,
      dropped_plans: droppedPlans,
      deleted_at_ms: nowMs,
    })
    .execute();
  return droppedPlans;
}

/**
 * False when there is no such job. Apart from reading it: a join that waits for a lock sees the new row
 * of one table beside the old row of the other, and finds nothing.
 */
export async function lockJob(
  transaction: Transaction<Tables>,
  accountId: string,
  id: number,
): Promise<boolean> {
  const row = await transaction
    .selectFrom('jobs')
    .select('id')
    .where('id', '=', id)
    .where('account_id', '=', accountId)
    .where('replay_of', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** Plans are bound to the content revision: the same one must give the same lines for ever. */
function assertSameContent(stored: JobRow, spec: JobSpec): void {
  const same =
    stored.dataset === spec.dataset &&
    stored.filter === spec.filter &&
    stored.output_options === spec.outputOptions &&
    stored.logpull_options === spec.logpullOptions;
  if (!same) throw new Error(`job ${stored.id} has new content under its old content revision`);
}

/** Where a job begins that is enabled for the first time; served by the catch-up lane. */
export async function insertStart(
  transaction: Transaction<Tables>,
  jobId: number,
  { topic, offsets }: Start,
): Promise<void> {
  const rows = Array.from(offsets, ([partition, cursor]) => ({
    topic,
    partition,
    job_id: jobId,
    cursor,
    detached: 1,
  }));
  if (rows.length === 0) return;
  await transaction
    .insertInto('cursors')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
