import type {
  DeadLetter,
  DeadLetterQuery,
  DeadLetterStore,
  DeadLetterSummary,
} from '@trailpush/core';
import { sql, type Selectable } from 'kysely';

import type { Database } from './database.ts';
import type { Tables } from './schema.ts';

type Row = Selectable<Tables['dead_letters']>;

const COLUMNS = [
  ...(['id', 'topic', 'partition', 'offset', 'job_id', 'account_id'] as const),
  ...(['reason', 'message', 'timestamp_ms', 'seen_at_ms', 'resent_at_ms'] as const),
] as const;

/** Dead letters in SQL. Batchers write them, see `progress/losses.ts`. */
export class SqlDeadLetterStore implements DeadLetterStore {
  readonly #database: Database<Tables>;

  constructor(database: Database<Tables>) {
    this.#database = database;
  }

  async list(query: DeadLetterQuery): Promise<readonly DeadLetterSummary[]> {
    const { accountId, jobId, reason, before, limit } = query;
    const rows = await this.#database.read((database) => {
      let select = database
        .selectFrom('dead_letters')
        .select([...COLUMNS, sql<number | null>`octet_length(value)`.as('value_bytes')])
        .orderBy('id', 'desc')
        .limit(limit);
      if (accountId !== null) select = select.where('account_id', '=', accountId);
      if (jobId !== undefined) select = select.where('job_id', '=', jobId);
      if (reason !== undefined) select = select.where('reason', '=', reason);
      if (before !== undefined) select = select.where('id', '<', before);
      return select.execute();
    });
    return rows.map((row) => ({ ...factsOf(row), valueBytes: row.value_bytes }));
  }

  async get(id: number): Promise<DeadLetter | undefined> {
    const row = await this.#database.read((database) =>
      database.selectFrom('dead_letters').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    return row && deadLetterOf(row);
  }

  async markResent(id: number, atMs: number): Promise<void> {
    await this.#database.write((transaction) =>
      transaction
        .updateTable('dead_letters')
        .set({ resent_at_ms: atMs })
        .where('id', '=', id)
        .execute(),
    );
  }
}

export function deadLetterOf(row: Row): DeadLetter {
  return { ...factsOf(row), key: row.key, value: row.value };
}

function factsOf(row: Pick<Row, (typeof COLUMNS)[number]>): Omit<DeadLetter, 'key' | 'value'> {
  return {
    id: row.id,
    topic: row.topic,
    partition: row.partition,
    offset: row.offset,
    jobId: row.job_id,
    accountId: row.account_id,
    reason: row.reason,
    message: row.message,
    timestampMs: row.timestamp_ms,
    seenAtMs: row.seen_at_ms,
    resentAtMs: row.resent_at_ms,
  };
}
