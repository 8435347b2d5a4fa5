/** The open plans of one job in one partition, and the cursor that they begin at. */
import { createHash } from 'node:crypto';

import type { CursorRow, Ownership, Plan } from '@trailpush/core';
import type { Insertable, Kysely, Selectable, Transaction } from 'kysely';

import type { Tables } from '../schema.ts';

export type ObjectRow = Selectable<Tables['objects']>;

export interface Queue {
  readonly cursor: CursorRow | undefined;
  /** In order of `first`. Without a cursor there are none. */
  readonly plans: readonly ObjectRow[];
}

export const EMPTY: Queue = { cursor: undefined, plans: [] };

interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

/** Of a locked partition. */
export async function readQueue(
  transaction: Transaction<Tables>,
  at: PartitionName,
  jobId: number,
): Promise<Queue> {
  const queues = await readQueues(transaction, at, [jobId]);
  return queues.get(jobId) ?? EMPTY;
}

/** Of a locked partition; jobs that have nothing there are missing. */
export async function readQueues(
  transaction: Transaction<Tables>,
  { topic, partition }: PartitionName,
  jobIds: readonly number[],
): Promise<ReadonlyMap<number, Queue>> {
  const rows = await transaction
    .selectFrom('cursors')
    .leftJoin('objects', (join) =>
      join
        .onRef('objects.topic', '=', 'cursors.topic')
        .onRef('objects.partition', '=', 'cursors.partition')
        .onRef('objects.job_id', '=', 'cursors.job_id')
        .on('objects.ledger_at_ms', 'is', null),
    )
    .selectAll('objects')
    .select(['cursors.cursor', 'cursors.detached', 'cursors.job_id as cursor_job_id'])
    .where('cursors.topic', '=', topic)
    .where('cursors.partition', '=', partition)
    .where('cursors.job_id', 'in', jobIds)
    .orderBy('objects.first')
    .execute();
  const queues = new Map<number, { cursor: CursorRow; plans: ObjectRow[] }>();
  for (const row of rows) {
    const { cursor_job_id: jobId, cursor, detached } = row;
    const queue = queues.get(jobId) ?? {
      cursor: { jobId, cursor, detached: detached === 1 },
      plans: [],
    };
    queues.set(jobId, queue);
    if (row.id !== null) queue.plans.push(row as typeof row & ObjectRow);
  }
  return queues;
}

export type JobStatusRow = Pick<
  Selectable<Tables['jobs']>,
  'id' | 'last_complete_ms' | 'last_error_ms'
>;

/** Locks a job, so that it is not deleted meanwhile. Undefined: there is no such job. */
export async function lockJobStatus(
  transaction: Transaction<Tables>,
  jobId: number,
  lock: JobLock,
): Promise<JobStatusRow | undefined> {
  const jobs = await lockJobs(transaction, [jobId], lock);
  return jobs.get(jobId);
}

export type JobLock = 'against deletion' | 'for change';

/** Locks jobs, so that they are not deleted meanwhile. Those that do not exist are missing. */
export async function lockJobs(
  transaction: Transaction<Tables>,
  jobIds: readonly number[],
  lock: JobLock,
): Promise<ReadonlyMap<number, JobStatusRow>> {
  const jobs = transaction
    .selectFrom('jobs')
    .select(['id', 'last_complete_ms', 'last_error_ms'])
    .where('id', 'in', jobIds)
    // Two who lock several follow one another.
    .orderBy('id');
  const rows = await (lock === 'for change' ? jobs.forNoKeyUpdate() : jobs.forKeyShare()).execute();
  return new Map(rows.map((row) => [row.id, row]));
}

export function planOf(row: ObjectRow): Plan {
  return {
    jobId: row.job_id,
    partition: row.partition,
    first: row.first,
    last: row.last,
    contentRevision: row.content_revision,
    location: row.location,
    key: row.key,
    idempotencyKey: row.idempotency_key,
    payloadHash: row.payload_hash,
    encoderVersion: row.encoder_version,
    records: row.records,
    payloadBytes: row.payload_bytes,
    minTimestampMs: row.min_timestamp_ms,
    maxTimestampMs: row.max_timestamp_ms,
    deadLetterId: row.dead_letter_id,
    confirmed: row.confirmed_at_ms !== null,
  };
}

/** What may differ between two stored forms of one plan. */
export function contentOf(plan: Plan) {
  return {
    location: plan.location,
    key: plan.key,
    name_hash: nameHash(plan),
    idempotency_key: plan.idempotencyKey,
    payload_hash: plan.payloadHash,
    encoder_version: plan.encoderVersion,
    records: plan.records,
    payload_bytes: plan.payloadBytes,
    min_timestamp_ms: plan.minTimestampMs,
    max_timestamp_ms: plan.maxTimestampMs,
    dead_letter_id: plan.deadLetterId,
  };
}

export function newObject(
  { topic, partition }: Ownership,
  plan: Plan,
): Insertable<Tables['objects']> {
  const { jobId, first, last, contentRevision } = plan;
  return {
    ...{ topic, partition, job_id: jobId, first, last, content_revision: contentRevision },
    ...contentOf(plan),
  };
}

/** True when (location, key) names another object than the row `ownId`, be it a plan or in the ledger. */
export async function isNameTaken(
  transaction: Transaction<Tables>,
  plan: Plan,
  ownId: number,
): Promise<boolean> {
  const namesake = await transaction
    .selectFrom('objects')
    .select('id')
    .where('name_hash', '=', nameHash(plan))
    .where('id', '<>', ownId)
    .executeTakeFirst();
  return namesake !== undefined;
}

function nameHash({ location, key }: { location: string; key: string }): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([location, key]))
    .digest();
}

/** All open plans of a partition, in order of (job, first). */
export async function openPlans(
  database: Kysely<Tables>,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): Promise<Plan[]> {
  const rows = await database
    .selectFrom('objects')
    .selectAll()
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .where('ledger_at_ms', 'is', null)
    .orderBy('job_id')
    .orderBy('first')
    .execute();
  return rows.map(planOf);
}
