import type { Job, JobSpec, ReplayOrder } from '@trailpush/core';
import type { Kysely, Selectable, Transaction } from 'kysely';

import type { Tables } from './schema.ts';
import type { SecretBox } from './secret-box.ts';

export type JobRow = Awaited<ReturnType<ReturnType<typeof selectJobs>['execute']>>[number];

const CONFIGURATION = 'destination_conf';

/** Every job with its current revision. */
export function selectJobs(database: Kysely<Tables>) {
  return database
    .selectFrom('jobs')
    .innerJoin('job_revisions', (join) =>
      join
        .onRef('job_revisions.job_id', '=', 'jobs.id')
        .onRef('job_revisions.revision', '=', 'jobs.revision'),
    )
    .select([
      'jobs.id',
      'jobs.account_id',
      'jobs.revision',
      'jobs.content_revision',
      'jobs.ever_enabled',
      'jobs.last_complete_ms',
      'jobs.last_error_ms',
      'jobs.error_message',
      'jobs.created_at_ms',
      'jobs.updated_at_ms',
      'jobs.replay_of',
      'job_revisions.name',
      'job_revisions.dataset',
      'job_revisions.enabled',
      'job_revisions.destination_conf',
      'job_revisions.filter',
      'job_revisions.output_options',
      'job_revisions.max_upload_bytes',
      'job_revisions.max_upload_records',
      'job_revisions.max_upload_interval_seconds',
      'job_revisions.frequency',
      'job_revisions.kind',
      'job_revisions.logpull_options',
    ]);
}

/** The jobs that an account has made; replays are none. */
export function selectJobsOf(database: Kysely<Tables>, accountId: string) {
  return selectJobs(database)
    .where('jobs.account_id', '=', accountId)
    .where('jobs.replay_of', 'is', null);
}

export function selectJob(database: Kysely<Tables>, accountId: string, id: number) {
  return selectJobsOf(database, accountId).where('jobs.id', '=', id);
}

/** @throws SealBrokenError */
export function jobOf(row: JobRow, box: Pick<SecretBox, 'open'>, replay?: ReplayOrder): Job {
  return {
    ...(replay && { replay }),
    id: row.id,
    accountId: row.account_id,
    revision: row.revision,
    contentRevision: row.content_revision,
    wasEnabled: row.ever_enabled === 1,
    spec: {
      name: row.name,
      dataset: row.dataset,
      enabled: row.enabled === 1,
      destinationConf: box.open(row.destination_conf, {
        accountId: row.account_id,
        jobId: row.id,
        field: CONFIGURATION,
      }),
      filter: row.filter,
      outputOptions: row.output_options,
      maxUploadBytes: row.max_upload_bytes,
      maxUploadRecords: row.max_upload_records,
      maxUploadIntervalSeconds: row.max_upload_interval_seconds,
      frequency: row.frequency,
      kind: row.kind,
      logpullOptions: row.logpull_options,
    },
    status: {
      lastCompleteMs: row.last_complete_ms,
      lastErrorMs: row.last_error_ms,
      errorMessage: row.error_message,
    },
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}

export interface NewRevision {
  readonly accountId: string;
  readonly jobId: number;
  readonly revision: number;
  readonly contentRevision: number;
  readonly spec: JobSpec;
  readonly createdAtMs: number;
}

export async function insertRevision(
  transaction: Transaction<Tables>,
  box: SecretBox,
  { accountId, jobId, revision, contentRevision, spec, createdAtMs }: NewRevision,
): Promise<void> {
  const row: Selectable<Tables['job_revisions']> = {
    job_id: jobId,
    revision,
    content_revision: contentRevision,
    name: spec.name,
    dataset: spec.dataset,
    enabled: spec.enabled ? 1 : 0,
    destination_conf: box.seal(spec.destinationConf, { accountId, jobId, field: CONFIGURATION }),
    filter: spec.filter,
    output_options: spec.outputOptions,
    max_upload_bytes: spec.maxUploadBytes,
    max_upload_records: spec.maxUploadRecords,
    max_upload_interval_seconds: spec.maxUploadIntervalSeconds,
    frequency: spec.frequency,
    kind: spec.kind,
    logpull_options: spec.logpullOptions,
    created_at_ms: createdAtMs,
  };
  await transaction.insertInto('job_revisions').values(row).execute();
}
