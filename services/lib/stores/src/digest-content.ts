/** What the next digest of a chain says: read in one transaction, which then marks it as said. */
import type {
  DigestContent,
  DigestOrder,
  DigestPlan,
  DigestRange,
  DigestStay,
} from '@trailpush/core';
import type { Selectable, Transaction } from 'kysely';

import type { ObjectRow } from './progress/queue.ts';
import type { Tables } from './schema.ts';

export type ChainRow = Selectable<Tables['digest_chains']>;

/** Where the job was when the last digest was made. */
type Position = Omit<DigestRange, 'from' | 'to'> & { readonly next: number };

export interface NextDigest {
  readonly content: DigestContent;
  readonly objects: readonly ObjectRow[];
  readonly gapIds: readonly number[];
  readonly positions: readonly Position[];
  readonly deadLetterId: number;
}

/** Of a chain that is locked. The transaction must see one moment. */
export async function readNext(
  transaction: Transaction<Tables>,
  chain: ChainRow,
  order: DigestOrder,
): Promise<NextDigest> {
  const { maxRows, nowMs } = order;
  const ids = await idsOf(transaction, chain.job_id);
  const undigested = await readObjects(transaction, ids, maxRows + 1);
  const letters = await readDeadLetters(transaction, { chain, ids }, maxRows + 1);
  const isPart = undigested.length > maxRows || letters.length > maxRows;
  const objects = undigested.slice(0, maxRows);
  const named = letters.slice(0, maxRows);
  const gaps = await readGaps(transaction, ids);
  const before = JSON.parse(chain.positions) as readonly Position[];
  const positions = isPart ? before : await readPositions(transaction, chain.job_id);
  const sequence = chain.sequence + 1;
  const content: DigestContent = {
    accountId: chain.account_id,
    jobId: chain.job_id,
    sequence,
    fromMs: chain.sealed_until_ms,
    // The clock may have been set back.
    toMs: Math.max(nowMs, chain.sealed_until_ms),
    state: await readState(transaction, chain.job_id),
    isPart,
    places: placesOf(chain, sequence, order),
    objects: objects.map((row) => objectOf(row, chain.job_id)),
    openPlans: await readOpenPlans(transaction, ids),
    ranges: isPart ? [] : positions.map((position) => rangeOf(position, before, objects)),
    gaps: gaps.map((row) => ({
      ...{ topic: row.topic, partition: row.partition, from: row.from_offset, to: row.to_offset },
      ...{ reason: row.reason, possiblyDelivered: row.possibly_delivered === 1 },
    })),
    deadLetters: named.map(({ topic, partition, offset, reason }) => ({
      ...{ topic, partition, offset, reason },
    })),
    previous:
      chain.hash === null || chain.signature === null
        ? null
        : { hash: chain.hash, signature: chain.signature },
  };
  const deadLetterId = named.at(-1)?.id ?? chain.dead_letter_id;
  return { content, objects, gapIds: gaps.map(({ id }) => id), positions, deadLetterId };
}

/** True when a digest would only say that time has passed. */
export function isEmpty({ objects, gaps, deadLetters }: DigestContent): boolean {
  return objects.length + gaps.length + deadLetters.length === 0;
}

/** A job and its replays, whose objects are evidence about the job. */
async function idsOf(transaction: Transaction<Tables>, jobId: number): Promise<readonly number[]> {
  const replays = await transaction
    .selectFrom('replays')
    .select('id')
    .where('job_id', '=', jobId)
    .orderBy('id')
    .execute();
  return [jobId, ...replays.map(({ id }) => id)];
}

function readObjects(
  transaction: Transaction<Tables>,
  ids: readonly number[],
  limit: number,
): Promise<ObjectRow[]> {
  return transaction
    .selectFrom('objects')
    .selectAll()
    .where('ledger_at_ms', 'is not', null)
    .where('digest', 'is', null)
    .where('job_id', 'in', ids)
    .orderBy('id')
    .limit(limit)
    .execute();
}

function objectOf(row: ObjectRow, jobId: number): DigestContent['objects'][number] {
  return {
    ...{ location: row.location, key: row.key, idempotencyKey: row.idempotency_key },
    ...{ payloadHash: row.payload_hash, payloadBytes: row.payload_bytes, records: row.records },
    ...{ topic: row.topic, partition: row.partition, first: row.first, last: row.last },
    replayId: row.job_id === jobId ? null : row.job_id,
  };
}

async function readOpenPlans(
  transaction: Transaction<Tables>,
  ids: readonly number[],
): Promise<readonly DigestPlan[]> {
  // Every open plan has a cursor row, whose partition leads to it.
  const owing = await transaction
    .selectFrom('cursors')
    .select(['topic', 'partition', 'job_id'])
    .where('job_id', 'in', ids)
    .orderBy('job_id')
    .orderBy('topic')
    .orderBy('partition')
    .execute();
  const plans: DigestPlan[] = [];
  for (const { topic, partition, job_id } of owing) {
    const rows = await transaction
      .selectFrom('objects')
      .select(['location', 'key', 'payload_hash'])
      .where('topic', '=', topic)
      .where('partition', '=', partition)
      .where('job_id', '=', job_id)
      .where('ledger_at_ms', 'is', null)
      .orderBy('first')
      .execute();
    for (const { location, key, payload_hash: payloadHash } of rows) {
      plans.push({ location, key, payloadHash });
    }
  }
  return plans;
}

async function readPositions(
  transaction: Transaction<Tables>,
  jobId: number,
): Promise<readonly Position[]> {
  const rows = await transaction
    .selectFrom('partitions')
    .innerJoin('topics', 'topics.topic', 'partitions.topic')
    .innerJoin('jobs', (join) => join.on('jobs.id', '=', jobId))
    .leftJoin('cursors', (join) =>
      join
        .onRef('cursors.topic', '=', 'partitions.topic')
        .onRef('cursors.partition', '=', 'partitions.partition')
        .onRef('cursors.job_id', '=', 'jobs.id'),
    )
    .select(['partitions.topic', 'partitions.partition', 'topics.incarnation'])
    .select((eb) => eb.fn.coalesce('cursors.cursor', 'partitions.live_from').as('next'))
    .orderBy('partitions.topic')
    .orderBy('partitions.partition')
    .execute();
  return rows.map(({ topic, incarnation, partition, next }) => ({
    ...{ topic, incarnation, partition, next },
  }));
}

function rangeOf(
  { topic, incarnation, partition, next: to }: Position,
  before: readonly Position[],
  objects: readonly ObjectRow[],
): DigestRange {
  const known = before.find(
    (each) =>
      each.topic === topic && each.partition === partition && each.incarnation === incarnation,
  );
  const firsts = objects
    .filter((row) => row.topic === topic && row.partition === partition)
    .map(({ first }) => first);
  const from = known?.next ?? Math.min(to, ...firsts);
  return { topic, incarnation, partition, from, to };
}

function readGaps(transaction: Transaction<Tables>, ids: readonly number[]) {
  return transaction
    .selectFrom('gaps')
    .selectAll()
    .where('digest', 'is', null)
    .where('job_id', 'in', ids)
    .orderBy('id')
    .execute();
}

/** Their ids are given in the order of the commits, see `saveDeadLetters`. */
function readDeadLetters(
  transaction: Transaction<Tables>,
  { chain, ids }: { chain: ChainRow; ids: readonly number[] },
  limit: number,
) {
  return transaction
    .selectFrom('dead_letters')
    .select(['id', 'topic', 'partition', 'offset', 'reason'])
    .where('account_id', '=', chain.account_id)
    .where('id', '>', chain.dead_letter_id)
    .where('seen_at_ms', '>=', chain.started_at_ms)
    .where((eb) => eb.or([eb('job_id', 'is', null), eb('job_id', 'in', ids)]))
    .orderBy('id')
    .limit(limit)
    .execute();
}

async function readState(
  transaction: Transaction<Tables>,
  jobId: number,
): Promise<DigestContent['state']> {
  const row = await transaction
    .selectFrom('jobs')
    .innerJoin('job_revisions', (join) =>
      join
        .onRef('job_revisions.job_id', '=', 'jobs.id')
        .onRef('job_revisions.revision', '=', 'jobs.revision'),
    )
    .select('job_revisions.enabled')
    .where('jobs.id', '=', jobId)
    .executeTakeFirst();
  if (row === undefined) return 'deleted';
  return row.enabled === 1 ? 'enabled' : 'disabled';
}

/** How many moves of a job a digest tells of: the first ones are forgotten. */
const MAX_PLACES = 100;

function placesOf(chain: ChainRow, since: number, { place }: DigestOrder): readonly DigestStay[] {
  const places = JSON.parse(chain.places) as readonly DigestStay[];
  const last = places.at(-1);
  if (place === undefined) return places;
  if (last?.location === place.location && last.folder === place.folder) return places;
  const { location, folder } = place;
  return [...places.slice(1 - MAX_PLACES), { since, location, folder }];
}
