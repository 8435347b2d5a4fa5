import type { Clock, EventsOf, JobSpec, NewReplay, Replay, ReplayStore } from '@trailpush/core';
import type { Kysely, Transaction } from 'kysely';

import { writeAnnounced } from './announced-write.ts';
import type { Database } from './database.ts';
import type { JobChanges } from './job-changes.ts';
import { jobOf, selectJob } from './job-rows.ts';
import { createJob, lockJob } from './job-writes.ts';
import { storeEvents } from './outbox.ts';
import { cancelReplay, settleReplay, showReplay } from './replay-rows.ts';
import type { Tables } from './schema.ts';
import type { SecretBox } from './secret-box.ts';

/** Replays in SQL. */
export class SqlReplayStore implements ReplayStore {
  readonly #database: Database<Tables>;
  readonly #box: SecretBox;
  readonly #changes: JobChanges;
  readonly #clock: Clock;

  constructor(options: {
    database: Database<Tables>;
    box: SecretBox;
    changes: JobChanges;
    clock: Clock;
  }) {
    this.#database = options.database;
    this.#box = options.box;
    this.#changes = options.changes;
    this.#clock = options.clock;
  }

  start(
    accountId: string,
    jobId: number,
    replay: NewReplay,
    events?: EventsOf<Replay>,
  ): Promise<Replay | undefined> {
    const nowMs = this.#clock.now();
    return this.#change(async (transaction) => {
      if (!(await lockJob(transaction, accountId, jobId))) return undefined;
      const row = await selectJob(transaction, accountId, jobId).executeTakeFirstOrThrow();
      const { spec } = jobOf(row, this.#box);
      const id = await createJob(transaction, this.#box, {
        accountId,
        spec: specOf(spec, replay),
        start: startOf(replay),
        nowMs,
        replayOf: jobId,
      });
      await insertReplay(transaction, { id, jobId, accountId, replay, nowMs });
      await settleReplay(transaction, { replayId: id, nowMs });
      const started = await read(transaction, accountId, jobId, id);
      await tell(transaction, events, started, nowMs);
      return started;
    });
  }

  list(accountId: string, jobId: number, limit: number): Promise<readonly Replay[]> {
    return this.#database.read(async (database) => {
      const rows = await selectReplays(database, accountId, jobId)
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
      return Promise.all(rows.map((row) => showReplay(database, row)));
    });
  }

  get(accountId: string, jobId: number, id: number): Promise<Replay | undefined> {
    return this.#database.read((database) => read(database, accountId, jobId, id));
  }

  cancel(
    accountId: string,
    jobId: number,
    id: number,
    events?: EventsOf<Replay>,
  ): Promise<Replay | undefined> {
    const nowMs = this.#clock.now();
    return this.#change(async (transaction) => {
      const known = await read(transaction, accountId, jobId, id);
      if (known?.state !== 'running') return known;
      await cancelReplay(transaction, { replayId: id, nowMs });
      const cancelled = await read(transaction, accountId, jobId, id);
      if (cancelled?.state === 'cancelled') await tell(transaction, events, cancelled, nowMs);
      return cancelled;
    });
  }

  #change<Result>(change: (transaction: Transaction<Tables>) => Promise<Result>): Promise<Result> {
    return writeAnnounced({ database: this.#database, changes: this.#changes }, change);
  }
}

async function tell(
  transaction: Transaction<Tables>,
  events: EventsOf<Replay> | undefined,
  replay: Replay | undefined,
  nowMs: number,
): Promise<void> {
  if (events === undefined || replay === undefined) return;
  await storeEvents(transaction, () => events(replay), nowMs);
}

function selectReplays(database: Kysely<Tables>, accountId: string, jobId: number) {
  return database
    .selectFrom('replays')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('job_id', '=', jobId);
}

async function read(
  database: Kysely<Tables>,
  accountId: string,
  jobId: number,
  id: number,
): Promise<Replay | undefined> {
  const row = await selectReplays(database, accountId, jobId)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && showReplay(database, row);
}

/** The job's present content and limits; also of a job that is paused. */
function specOf(spec: JobSpec, { destinationConf }: NewReplay): JobSpec {
  return { ...spec, enabled: true, destinationConf: destinationConf ?? spec.destinationConf };
}

function startOf({ topic, ranges }: NewReplay) {
  return { topic, offsets: new Map(ranges.map(({ partition, from }) => [partition, from])) };
}

async function insertReplay(
  transaction: Transaction<Tables>,
  at: { id: number; jobId: number; accountId: string; replay: NewReplay; nowMs: number },
): Promise<void> {
  const { id, jobId, accountId, replay, nowMs } = at;
  const { topic, location, maxRecordsPerSecond, ranges } = replay;
  await transaction
    .insertInto('replays')
    .values({
      id,
      job_id: jobId,
      account_id: accountId,
      topic,
      location,
      max_records_per_second: maxRecordsPerSecond,
      created_at_ms: nowMs,
    })
    .execute();
  if (ranges.length === 0) return;
  const rows = ranges.map(({ partition, from, to }) => ({
    replay_id: id,
    partition,
    from_offset: from,
    to_offset: to,
  }));
  await transaction.insertInto('replay_ranges').values(rows).execute();
}
