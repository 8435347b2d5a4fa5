import { sql, type Kysely } from 'kysely';

/**
 * Organizations of tokens. Until here a token opened the account and the organization of each of its ids, and
 * those that were made then go on doing so.
 */
export async function separateOrganizations(database: Kysely<never>): Promise<void> {
  await database.schema
    .alterTable('tokens')
    .addColumn('organization_ids', 'text', (column) => column.notNull().defaultTo('[]'))
    .execute();
  await sql`update tokens set organization_ids = account_ids where account_ids is not null`.execute(
    database,
  );
}
