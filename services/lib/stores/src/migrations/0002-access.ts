import type { Kysely } from 'kysely';

import { bytes, withId } from './columns.ts';

/** Tokens, audit events that wait for the log, and ownership challenges that were spent. */
export async function createAccess(database: Kysely<never>): Promise<void> {
  await database.schema
    .createTable('tokens')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('hash', bytes(database), (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('email', 'text')
    .addColumn('account_ids', 'text')
    .addColumn('permissions', 'text', (column) => column.notNull())
    .addColumn('allowed_addresses', 'text', (column) => column.notNull())
    .addColumn('not_before_ms', 'bigint')
    .addColumn('expires_at_ms', 'bigint')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('revoked_at_ms', 'bigint')
    .execute();
  await withId(database, database.schema.createTable('outbox'))
    .addColumn('line', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('leased_until_ms', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema
    .createTable('spent_challenges')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .execute();
}
