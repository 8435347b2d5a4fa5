import type { ApiToken, Clock, EventsOf, NewToken, Permission, TokenStore } from '@trailpush/core';
import type { Kysely, Selectable } from 'kysely';

import type { Database } from './database.ts';
import { storeEvents } from './outbox.ts';
import type { Tables } from './schema.ts';

/** Tokens in SQL. */
export class SqlTokenStore implements TokenStore {
  readonly #database: Database<Tables>;
  readonly #clock: Clock;

  constructor(database: Database<Tables>, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async create(token: NewToken, events?: EventsOf<ApiToken>): Promise<ApiToken> {
    const row = {
      id: token.id,
      hash: token.hash,
      name: token.name,
      email: token.email,
      account_ids: token.accountIds && JSON.stringify(token.accountIds),
      organization_ids: JSON.stringify(token.organizationIds),
      permissions: JSON.stringify(token.permissions),
      allowed_addresses: JSON.stringify(token.allowedAddresses),
      not_before_ms: token.notBeforeMs,
      expires_at_ms: token.expiresAtMs,
      created_at_ms: this.#clock.now(),
      revoked_at_ms: null,
    };
    const created = tokenOf(row);
    await this.#database.write(async (transaction) => {
      await transaction.insertInto('tokens').values(row).execute();
      await storeEvents(transaction, events && (() => events(created)), row.created_at_ms);
    });
    return created;
  }

  async get(id: string): Promise<ApiToken | undefined> {
    return this.#database.read((database) => read(database, id));
  }

  async list(): Promise<readonly ApiToken[]> {
    const rows = await this.#database.read((database) =>
      database.selectFrom('tokens').selectAll().orderBy('created_at_ms').orderBy('id').execute(),
    );
    return rows.map(tokenOf);
  }

  async revoke(id: string, events?: EventsOf<ApiToken>): Promise<ApiToken | undefined> {
    const nowMs = this.#clock.now();
    return this.#database.write(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('tokens')
        .set({ revoked_at_ms: nowMs })
        .where('id', '=', id)
        .where('revoked_at_ms', 'is', null)
        .executeTakeFirstOrThrow();
      const token = await read(transaction, id);
      if (token === undefined || numUpdatedRows === 0n) return token;
      await storeEvents(transaction, events && (() => events(token)), nowMs);
      return token;
    });
  }
}

async function read(database: Kysely<Tables>, id: string): Promise<ApiToken | undefined> {
  const row = await database
    .selectFrom('tokens')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  return row && tokenOf(row);
}

function tokenOf(row: Selectable<Tables['tokens']>): ApiToken {
  return {
    id: row.id,
    hash: new Uint8Array(row.hash),
    name: row.name,
    email: row.email,
    accountIds: row.account_ids === null ? null : (JSON.parse(row.account_ids) as string[]),
    organizationIds: JSON.parse(row.organization_ids) as string[],
    permissions: JSON.parse(row.permissions) as Permission[],
    allowedAddresses: JSON.parse(row.allowed_addresses) as string[],
    notBeforeMs: row.not_before_ms,
    expiresAtMs: row.expires_at_ms,
    createdAtMs: row.created_at_ms,
    revokedAtMs: row.revoked_at_ms,
  };
}
