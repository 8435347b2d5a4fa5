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

/** Of a locked partition. */
export async function readQueue(
  transaction: Transaction<Tables>,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  jobId: number,
): Promise<Queue> {
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
    .select(['cursors.cursor', 'cursors.detached'])
    .where('cursors.topic', '=', topic)
    .where('cursors.partition', '=', partition)
    .where('cursors.job_id', '=', jobId)
    .orderBy('objects.first')
    .execute();
  const [first] = rows;
  return {
    cursor: first && { jobId, cursor: first.cursor, detached: first.detached === 1 },
    plans: rows.filter((row): row is typeof row & ObjectRow => row.id !== null),
  };
}

export type JobStatusRow = Pick<Selectable<Tables['jobs']>, 'last_complete_ms' | 'last_error_ms'>;

/** Locks a job, so that it is not deleted meanwhile. Undefined: there is no such job. */
export async function lockJobStatus(
  transaction: Transaction<Tables>,
  jobId: number,
  lock: 'against deletion' | 'for change',
): Promise<JobStatusRow | undefined> {
  const job = transaction
    .selectFrom('jobs')
    .select(['last_complete_ms', 'last_error_ms'])
    .where('id', '=', jobId);
  return (lock === 'for change' ? job.forNoKeyUpdate() : job.forKeyShare()).executeTakeFirst();
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
