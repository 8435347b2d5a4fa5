import {
  MAX_SAVED_QUERIES,
  type Clock,
  type EventsOf,
  type SavedQuery,
  type SavedQueryStore,
} from '@trailpush/core';
import type { Kysely, Selectable } from 'kysely';

import { raiseCounter } from './counters.ts';
import type { Database } from './database.ts';
import { storeEvents } from './outbox.ts';
import type { Tables } from './schema.ts';

/** Saved queries in SQL. */
export class SqlSavedQueryStore implements SavedQueryStore {
  readonly #database: Database<Tables>;
  readonly #clock: Clock;

  constructor(database: Database<Tables>, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  create(
    query: Parameters<SavedQueryStore['create']>[0],
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined> {
    const nowMs = this.#clock.now();
    const created = { ...query, createdAtMs: nowMs, updatedAtMs: nowMs };
    return this.#database.write(async (transaction) => {
      // Others that save wait here, so that each counts those before it.
      await raiseCounter(transaction, 'saved_queries', 1);
      const { count } = await transaction
        .selectFrom('saved_queries')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('account_id', '=', query.accountId)
        .executeTakeFirstOrThrow();
      if (count >= MAX_SAVED_QUERIES) return undefined;
      await transaction.insertInto('saved_queries').values(rowOf(created)).execute();
      await storeEvents(transaction, events && (() => events(created)), nowMs);
      return created;
    });
  }

  get(accountId: string, id: string): Promise<SavedQuery | undefined> {
    return this.#database.read((database) => read(database, accountId, id));
  }

  async list(accountId: string): Promise<readonly SavedQuery[]> {
    const rows = await this.#database.read((database) =>
      database
        .selectFrom('saved_queries')
        .selectAll()
        .where('account_id', '=', accountId)
        .orderBy('created_at_ms')
        .orderBy('id')
        .execute(),
    );
    return rows.map(queryOf);
  }

  update(
    accountId: string,
    id: string,
    { name, query }: Pick<SavedQuery, 'name' | 'query'>,
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined> {
    const nowMs = this.#clock.now();
    return this.#database.write(async (transaction) => {
      await transaction
        .updateTable('saved_queries')
        .set({ name, query, updated_at_ms: nowMs })
        .where('account_id', '=', accountId)
        .where('id', '=', id)
        .execute();
      const updated = await read(transaction, accountId, id);
      if (updated === undefined) return undefined;
      await storeEvents(transaction, events && (() => events(updated)), nowMs);
      return updated;
    });
  }

  delete(
    accountId: string,
    id: string,
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined> {
    return this.#database.write(async (transaction) => {
      const deleted = await read(transaction, accountId, id);
      const { numDeletedRows } = await transaction
        .deleteFrom('saved_queries')
        .where('account_id', '=', accountId)
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      if (deleted === undefined || numDeletedRows === 0n) return undefined;
      await storeEvents(transaction, events && (() => events(deleted)), this.#clock.now());
      return deleted;
    });
  }
}

async function read(
  database: Kysely<Tables>,
  accountId: string,
  id: string,
): Promise<SavedQuery | undefined> {
  const row = await database
    .selectFrom('saved_queries')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && queryOf(row);
}

function rowOf(query: SavedQuery): Selectable<Tables['saved_queries']> {
  return {
    account_id: query.accountId,
    id: query.id,
    name: query.name,
    query: query.query,
    created_by: query.createdBy,
    created_at_ms: query.createdAtMs,
    updated_at_ms: query.updatedAtMs,
  };
}

function queryOf(row: Selectable<Tables['saved_queries']>): SavedQuery {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    query: row.query,
    createdBy: row.created_by,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}
