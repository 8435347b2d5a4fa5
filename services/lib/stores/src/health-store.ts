import {
  MAX_KEPT_ATTEMPTS,
  type Attempt,
  type Clock,
  type HealthStore,
  type Notice,
  type NoticeKind,
  type Verdict,
} from '@trailpush/core';
import { sql, type Transaction } from 'kysely';

import type { Database } from './database.ts';
import { numberRows } from './number-rows.ts';
import type { Tables } from './schema.ts';

/** Notices are of no interest any more, sent or not. */
const NOTICES_KEPT_MS = 30 * 86_400_000;

/** Attempts and notices in SQL. */
export class SqlHealthStore implements HealthStore {
  readonly #database: Database<Tables>;
  readonly #clock: Clock;

  constructor(database: Database<Tables>, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async recordAttempts(attempts: readonly Attempt[]): Promise<void> {
    const jobIds = [...new Set(attempts.map(({ jobId }) => jobId))];
    if (jobIds.length === 0) return;
    await this.#database.write(async (transaction) => {
      const found = await transaction
        .selectFrom('jobs')
        .select('id')
        .where('id', 'in', (eb) => eb.selectFrom(idRows(transaction, jobIds)).select('asked.id'))
        .forKeyShare()
        .execute();
      const present = new Set(found.map(({ id }) => id));
      const rows = attempts.filter(({ jobId }) => present.has(jobId)).map(rowOf);
      for (let at = 0; at < rows.length; at += 100) {
        await transaction
          .insertInto('attempts')
          .values(rows.slice(at, at + 100))
          .execute();
      }
      await dropOldest(transaction, [...present]);
    });
  }

  async listAttempts(accountId: string, jobId: number): Promise<readonly Attempt[]> {
    const rows = await this.#database.read((database) =>
      database
        .selectFrom('attempts')
        .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
        .selectAll('attempts')
        .where('jobs.account_id', '=', accountId)
        .where('attempts.job_id', '=', jobId)
        .orderBy('attempts.id', 'desc')
        .limit(MAX_KEPT_ATTEMPTS)
        .execute(),
    );
    return rows.map((row) => ({
      jobId: row.job_id,
      atMs: row.at_ms,
      tookMs: row.took_ms,
      verdict: row.verdict as Verdict['kind'],
      code: row.code,
      message: row.message,
      records: row.records,
      wireBytes: row.wire_bytes,
      partition: row.partition,
      firstOffset: row.first_offset,
      lastOffset: row.last_offset,
    }));
  }

  async takeNotices(limit: number, leaseMs: number): Promise<readonly Notice[]> {
    const nowMs = this.#clock.now();
    const rows = await this.#database.write(async (transaction) => {
      await transaction
        .deleteFrom('notices')
        .where('created_at_ms', '<', nowMs - NOTICES_KEPT_MS)
        .execute();
      return (
        transaction
          .updateTable('notices')
          .set((eb) => ({ due_at_ms: nowMs + leaseMs, tries: eb('tries', '+', 1) }))
          .where('id', 'in', (eb) =>
            eb
              .selectFrom('notices')
              .select('id')
              .where('due_at_ms', '<=', nowMs)
              .orderBy('id')
              .limit(limit),
          )
          // Looked at again after a wait for another caller, who may have taken it.
          .where('due_at_ms', '<=', nowMs)
          .returningAll()
          .execute()
      );
    });
    return rows
      .toSorted((a, b) => a.id - b.id)
      .map((row) => ({
        id: row.id,
        kind: row.kind as NoticeKind,
        jobId: row.job_id === 0 ? null : row.job_id,
        accountId: row.account_id,
        message: row.message,
        createdAtMs: row.created_at_ms,
        tries: row.tries,
      }));
  }

  async settleNotice(id: number, retryAtMs?: number): Promise<void> {
    await this.#database.write((transaction) =>
      transaction
        .updateTable('notices')
        .set({ due_at_ms: retryAtMs ?? null })
        .where('id', '=', id)
        .execute(),
    );
  }
}

function rowOf(attempt: Attempt) {
  return {
    job_id: attempt.jobId,
    at_ms: Math.round(attempt.atMs),
    took_ms: Math.round(attempt.tookMs),
    verdict: attempt.verdict,
    code: attempt.code,
    message: attempt.message,
    records: attempt.records,
    wire_bytes: attempt.wireBytes,
    partition: attempt.partition,
    first_offset: attempt.firstOffset,
    last_offset: attempt.lastOffset,
  };
}

function idRows(transaction: Transaction<Tables>, ids: readonly number[]) {
  const rows = ids.map((id) => [id]);
  return numberRows(transaction, ['id'], rows).as('asked');
}

async function dropOldest(
  transaction: Transaction<Tables>,
  jobIds: readonly number[],
): Promise<void> {
  if (jobIds.length === 0) return;
  await transaction
    .deleteFrom('attempts')
    .where('id', 'in', (eb) =>
      eb
        .selectFrom(
          eb
            .selectFrom('attempts')
            .select([
              'id',
              sql<number>`row_number() over (partition by job_id order by id desc)`.as('age'),
            ])
            .where('job_id', 'in', eb.selectFrom(idRows(transaction, jobIds)).select('asked.id'))
            .as('aged'),
        )
        .select('aged.id')
        .where('aged.age', '>', MAX_KEPT_ATTEMPTS),
    )
    .execute();
}
