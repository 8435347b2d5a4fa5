import type { Clock, StoredTopic, TopicAcceptance, TopicStore } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Database } from './database.ts';
import { insertGap } from './progress/losses.ts';
import { lockPartition, type PartitionRow } from './progress/ownership.ts';
import { openPlans } from './progress/queue.ts';
import { cancelReplay } from './replay-rows.ts';
import type { Tables } from './schema.ts';

const REASON = 'the topic was made anew or cut, and these offsets of it are gone';

/** What becomes of one partition. */
interface Restart {
  readonly row: PartitionRow;
  readonly from: number;
  readonly nowMs: number;
}

/** Topics in SQL. */
export class SqlTopicStore implements TopicStore {
  readonly #database: Database<Tables>;
  readonly #clock: Clock;

  constructor(options: { database: Database<Tables>; clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  read(topic: string): Promise<StoredTopic | undefined> {
    return this.#database.read(async (database) => {
      const found = await database
        .selectFrom('topics')
        .selectAll()
        .where('topic', '=', topic)
        .executeTakeFirst();
      if (found === undefined) return undefined;
      const rows = await database
        .selectFrom('partitions')
        .selectAll()
        .where('topic', '=', topic)
        .orderBy('partition')
        .execute();
      return { ...found, partitions: rows.map(placeOf) };
    });
  }

  accept(
    topic: string,
    partitions: readonly { readonly partition: number; readonly from: number }[],
  ): Promise<TopicAcceptance> {
    const nowMs = this.#clock.now();
    return this.#database.write(async (transaction) => {
      let [gaps, droppedPlans] = [0, 0];
      for (const { partition, from } of partitions) {
        const row = await lockPartition(transaction, { topic, partition });
        if (row === undefined) continue;
        const restart = { row, from, nowMs };
        gaps += await recordGaps(transaction, restart);
        droppedPlans += await dropProgress(transaction, restart);
      }
      const numbers = partitions.map(({ partition }) => partition);
      const cancelledReplays = await cancelReplays(transaction, topic, numbers, nowMs);
      const { incarnation } = await transaction
        .updateTable('topics')
        .set((eb) => ({ incarnation: eb('incarnation', '+', 1) }))
        .where('topic', '=', topic)
        .returning('incarnation')
        .executeTakeFirstOrThrow();
      return { incarnation, gaps, droppedPlans, cancelledReplays };
    });
  }
}

function placeOf(row: PartitionRow): StoredTopic['partitions'][number] {
  const { partition, live_from: liveFrom, last_offset: offset, last_timestamp_ms: time } = row;
  const lastRead = offset === null || time === null ? null : { offset, timestampMs: time };
  return { partition, liveFrom, lastRead };
}

/** Of everybody who was owed something up to the last record that was read. */
async function recordGaps(
  transaction: Transaction<Tables>,
  { row, nowMs }: Restart,
): Promise<number> {
  const { topic, partition, last_offset: lastOffset, live_from: liveFrom } = row;
  if (lastOffset === null) return 0;
  const to = lastOffset + 1;
  const plans = new Set((await openPlans(transaction, row)).map(({ jobId }) => jobId));
  const owed = await transaction
    .selectFrom('jobs')
    .leftJoin('cursors', (join) =>
      join
        .onRef('cursors.job_id', '=', 'jobs.id')
        .on('cursors.topic', '=', topic)
        .on('cursors.partition', '=', partition),
    )
    .where('jobs.ever_enabled', '=', 1)
    .where('jobs.replay_of', 'is', null)
    .select(['jobs.id'])
    .select((eb) => eb.fn.coalesce('cursors.cursor', eb.val(liveFrom)).as('owes'))
    .orderBy('jobs.id')
    .execute();
  const short = owed.filter(({ owes }) => owes < to);
  for (const { id, owes: from } of short) {
    await insertGap(
      transaction,
      { topic, partition, epoch: row.epoch },
      {
        ...{ jobId: id, topic, partition, from, to, reason: REASON },
        ...{ possiblyDelivered: plans.has(id), seenAtMs: nowMs },
      },
    );
    const message = `${REASON}: ${from} to ${to - 1} of partition ${partition}`;
    await transaction
      .updateTable('jobs')
      .set({ last_error_ms: nowMs, error_message: message })
      .where('id', '=', id)
      .execute();
  }
  return short.length;
}

async function dropProgress(
  transaction: Transaction<Tables>,
  { row, from }: Restart,
): Promise<number> {
  const { topic, partition, epoch } = row;
  const { numDeletedRows } = await transaction
    .deleteFrom('objects')
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .where('ledger_at_ms', 'is', null)
    .executeTakeFirstOrThrow();
  await transaction
    .deleteFrom('cursors')
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .execute();
  await transaction
    .updateTable('partitions')
    .set({
      epoch: epoch + 1,
      owner: '',
      live_from: from,
      last_offset: null,
      last_timestamp_ms: null,
    })
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .execute();
  return Number(numDeletedRows);
}

/** Their ranges name records that are not there any more. */
async function cancelReplays(
  transaction: Transaction<Tables>,
  topic: string,
  partitions: readonly number[],
  nowMs: number,
): Promise<number> {
  if (partitions.length === 0) return 0;
  const rows = await transaction
    .selectFrom('replays')
    .innerJoin('replay_ranges', 'replay_ranges.replay_id', 'replays.id')
    .where('replays.topic', '=', topic)
    .where('replays.ended_at_ms', 'is', null)
    .where('replay_ranges.partition', 'in', partitions)
    .select('replays.id')
    .distinct()
    .orderBy('replays.id')
    .execute();
  for (const { id } of rows) await cancelReplay(transaction, { replayId: id, nowMs });
  return rows.length;
}
