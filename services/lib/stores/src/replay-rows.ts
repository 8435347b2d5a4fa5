/** Replays as rows: what runs, what is shown, and how one ends. Inside their callers' transactions. */
import type { Replay, ReplayOrder, ReplayRangeProgress } from '@trailpush/core';
import type { Kysely, Selectable, Transaction } from 'kysely';

import { raiseCounter } from './counters.ts';
import { deleteJob } from './job-writes.ts';
import { notifyOthers } from './postgres-notifications.ts';
import type { Tables } from './schema.ts';

type ReplayRow = Selectable<Tables['replays']>;

/** The orders of all replays that run, by their id. */
export async function runningReplays(
  database: Kysely<Tables>,
): Promise<ReadonlyMap<number, ReplayOrder>> {
  const rows = await database
    .selectFrom('replays')
    .selectAll()
    .where('ended_at_ms', 'is', null)
    .execute();
  if (rows.length === 0) return new Map();
  const ranges = await database
    .selectFrom('replay_ranges')
    .innerJoin('replays', 'replays.id', 'replay_ranges.replay_id')
    .where('replays.ended_at_ms', 'is', null)
    .select(['replay_id', 'partition', 'from_offset', 'to_offset'])
    .orderBy('partition')
    .execute();
  const rangesOf = Map.groupBy(ranges, (range) => range.replay_id);
  return new Map(
    rows.map((row) => [
      row.id,
      {
        ofJobId: row.job_id,
        topic: row.topic,
        ranges: (rangesOf.get(row.id) ?? []).map((range) => ({
          partition: range.partition,
          from: range.from_offset,
          to: range.to_offset,
        })),
        maxRecordsPerSecond: row.max_records_per_second,
      },
    ]),
  );
}

/** One that runs is counted from its ledger and cursors, one that has ended as it was then. */
export async function showReplay(database: Kysely<Tables>, row: ReplayRow): Promise<Replay> {
  const { outcome } = row;
  const totals = outcome === null ? await countDelivered(database, row.id) : totalsOf(row);
  const job = await database
    .selectFrom('jobs')
    .select('error_message')
    .where('id', '=', row.id)
    .executeTakeFirst();
  return {
    id: row.id,
    jobId: row.job_id,
    accountId: row.account_id,
    state: outcome ?? 'running',
    topic: row.topic,
    ranges: await readRanges(database, row),
    maxRecordsPerSecond: row.max_records_per_second,
    location: row.location,
    ...totals,
    errorMessage: job?.error_message ?? null,
    createdAtMs: row.created_at_ms,
    endedAtMs: row.ended_at_ms,
  };
}

interface Totals {
  readonly records: number;
  readonly objects: number;
  readonly payloadBytes: number;
}

function totalsOf({ records, objects, payload_bytes }: ReplayRow): Totals {
  return { records: records ?? 0, objects: objects ?? 0, payloadBytes: payload_bytes ?? 0 };
}

async function countDelivered(database: Kysely<Tables>, replayId: number): Promise<Totals> {
  const row = await database
    .selectFrom('objects')
    .select((eb) => [
      eb.fn.countAll<number | string>().as('objects'),
      eb.fn.sum<number | string | null>('records').as('records'),
      eb.fn.sum<number | string | null>('payload_bytes').as('bytes'),
    ])
    .where('job_id', '=', replayId)
    .where('ledger_at_ms', 'is not', null)
    .executeTakeFirstOrThrow();
  const { objects, records, bytes } = row;
  return { objects: Number(objects), records: Number(records), payloadBytes: Number(bytes) };
}

async function readRanges(
  database: Kysely<Tables>,
  { id, topic }: ReplayRow,
): Promise<ReplayRangeProgress[]> {
  const rows = await database
    .selectFrom('replay_ranges')
    .leftJoin('cursors', (join) =>
      join
        .onRef('cursors.job_id', '=', 'replay_ranges.replay_id')
        .onRef('cursors.partition', '=', 'replay_ranges.partition')
        .on('cursors.topic', '=', topic),
    )
    .where('replay_id', '=', id)
    .select(['replay_ranges.partition', 'from_offset', 'to_offset'])
    .select((eb) =>
      eb.fn.coalesce('replay_ranges.cursor', 'cursors.cursor', 'from_offset').as('reached'),
    )
    .orderBy('replay_ranges.partition')
    .execute();
  return rows.map((row) => ({
    partition: row.partition,
    from: row.from_offset,
    to: row.to_offset,
    cursor: Math.min(row.reached, row.to_offset),
  }));
}

/** Ends the replay as completed when all of it is delivered. False: it has ended before, or goes on. */
export async function settleReplay(
  transaction: Transaction<Tables>,
  { replayId, nowMs }: { replayId: number; nowMs: number },
): Promise<boolean> {
  const row = await lockRunning(transaction, replayId);
  if (row === undefined) return false;
  const ranges = await readRanges(transaction, row);
  if (ranges.some(({ cursor, to }) => cursor < to)) return false;
  await endReplay(transaction, { row, ranges, outcome: 'completed', nowMs });
  return true;
}

/** Ends the replay where it is. False: it has ended before. */
export async function cancelReplay(
  transaction: Transaction<Tables>,
  { replayId, nowMs }: { replayId: number; nowMs: number },
): Promise<boolean> {
  const row = await lockRunning(transaction, replayId);
  if (row === undefined) return false;
  const ranges = await readRanges(transaction, row);
  await endReplay(transaction, { row, ranges, outcome: 'cancelled', nowMs });
  return true;
}

/** Of a job that is locked, so that no other replay of it begins. */
export async function cancelReplaysOf(
  transaction: Transaction<Tables>,
  { jobId, nowMs }: { jobId: number; nowMs: number },
): Promise<void> {
  const rows = await transaction
    .selectFrom('jobs')
    .select('id')
    .where('replay_of', '=', jobId)
    .orderBy('id')
    .execute();
  for (const { id } of rows) await cancelReplay(transaction, { replayId: id, nowMs });
}

/** The row of its job is what everything that writes its progress locks. */
async function lockRunning(
  transaction: Transaction<Tables>,
  replayId: number,
): Promise<ReplayRow | undefined> {
  const job = await transaction
    .selectFrom('jobs')
    .select('id')
    .where('id', '=', replayId)
    .where('replay_of', 'is not', null)
    .forUpdate()
    .executeTakeFirst();
  if (job === undefined) return undefined;
  return transaction
    .selectFrom('replays')
    .selectAll()
    .where('id', '=', replayId)
    .executeTakeFirst();
}

/** With its job go its cursors, its open plans and its credentials, and batchers let go of it. */
async function endReplay(
  transaction: Transaction<Tables>,
  end: {
    row: ReplayRow;
    ranges: readonly ReplayRangeProgress[];
    outcome: 'completed' | 'cancelled';
    nowMs: number;
  },
): Promise<void> {
  const { row, ranges, outcome, nowMs } = end;
  const { id } = row;
  const { records, objects, payloadBytes } = await countDelivered(transaction, id);
  for (const { partition, cursor } of ranges) {
    await transaction
      .updateTable('replay_ranges')
      .set({ cursor })
      .where('replay_id', '=', id)
      .where('partition', '=', partition)
      .execute();
  }
  await transaction
    .updateTable('replays')
    .set({ ended_at_ms: nowMs, outcome, records, objects, payload_bytes: payloadBytes })
    .where('id', '=', id)
    .execute();
  const stored = { id, account_id: row.account_id, revision: 1 };
  await deleteJob(transaction, { stored, nowMs });
  await notifyOthers(transaction, await raiseCounter(transaction, 'job_changes', 1));
}
