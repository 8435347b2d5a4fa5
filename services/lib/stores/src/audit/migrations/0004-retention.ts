import { sql, type Kysely } from 'kysely';

import { withId } from '../../migrations/columns.ts';

/** Rules and holds of tenants, what was restored, what is being dropped, and the events about all that. */
export async function createRetention(database: Kysely<never>): Promise<void> {
  const { schema } = database;
  await schema
    .createTable('audit_rules')
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('months', 'integer')
    .addColumn('hold_reason', 'text')
    .addColumn('hold_by', 'text')
    .addColumn('hold_since_ms', 'bigint')
    .addPrimaryKeyConstraint('audit_rules_key', ['kind', 'id'])
    .execute();
  await schema
    .createTable('audit_restored')
    .addColumn('tenant', 'integer', (column) => column.notNull())
    .addColumn('month', 'integer', (column) => column.notNull())
    .addColumn('keep_until_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_restored_key', ['tenant', 'month'])
    .execute();
  await schema
    .createTable('audit_drops')
    .addColumn('tenant', 'integer', (column) => column.notNull())
    .addColumn('month', 'integer', (column) => column.notNull())
    .addColumn('events', 'bigint', (column) => column.notNull())
    .addColumn('first_micros', 'bigint', (column) => column.notNull())
    .addColumn('last_micros', 'bigint', (column) => column.notNull())
    .addColumn('months', 'integer', (column) => column.notNull())
    .addColumn('is_default', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_drops_key', ['tenant', 'month'])
    .execute();
  await withId(database, schema.createTable('audit_outbox'))
    .addColumn('line', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('leased_until_ms', 'bigint', (column) => column.notNull())
    .execute();
  await schema
    .createTable('audit_retention')
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('until_ms', 'bigint', (column) => column.notNull())
    .execute();
  await sql`insert into audit_retention (owner, until_ms) values ('', 0)`.execute(database);
}
