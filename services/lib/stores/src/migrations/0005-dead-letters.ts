import type { Kysely } from 'kysely';

/** When dead letters were sent again, and an index for what an account lists. */
export async function extendDeadLetters(database: Kysely<never>): Promise<void> {
  await database.schema.alterTable('dead_letters').addColumn('resent_at_ms', 'bigint').execute();
  await database.schema
    .createIndex('dead_letters_by_account')
    .on('dead_letters')
    .columns(['account_id', 'id'])
    .execute();
}
