import type { Kysely } from 'kysely';

/** Queries of the audit log that people come back to. */
export async function createSavedQueries(database: Kysely<never>): Promise<void> {
  await database.schema
    .createTable('saved_queries')
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('query', 'text', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('saved_queries_key', ['account_id', 'id'])
    .execute();
}
