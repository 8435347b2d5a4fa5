import { sql, type Kysely } from 'kysely';

import { bytes, isPostgres, withId } from '../../migrations/columns.ts';
import { createEventsParent } from '../postgres-months.ts';

export async function createAudit(database: Kysely<never>): Promise<void> {
  const { schema } = database;
  await schema
    .createTable('audit_tenants')
    .addColumn('tenant', 'integer', (column) =>
      isPostgres(database)
        ? column.primaryKey().generatedAlwaysAsIdentity()
        : column.primaryKey().autoIncrement(),
    )
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addUniqueConstraint('audit_tenants_by_id', ['kind', 'id'])
    .execute();
  await schema
    .createTable('audit_months')
    .addColumn('month', 'integer', (column) => column.primaryKey())
    .execute();
  await schema
    .createTable('audit_positions')
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('partition', 'integer', (column) => column.notNull())
    .addColumn('next_offset', 'bigint', (column) => column.notNull())
    .addColumn('last_offset', 'bigint')
    .addColumn('last_timestamp_ms', 'bigint')
    .addPrimaryKeyConstraint('audit_positions_key', ['topic', 'partition'])
    .execute();
  await createLosses(database);
  if (isPostgres(database)) await createEventsParent(database);
  else await createSqliteSequence(database);
}

async function createLosses(database: Kysely<never>): Promise<void> {
  const { schema } = database;
  await withId(database, schema.createTable('audit_gaps'))
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('partition', 'integer', (column) => column.notNull())
    .addColumn('from_offset', 'bigint', (column) => column.notNull())
    .addColumn('to_offset', 'bigint', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('seen_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await withId(database, schema.createTable('audit_dead_letters'))
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('partition', 'integer', (column) => column.notNull())
    .addColumn('offset', 'bigint', (column) => column.notNull())
    .addColumn('timestamp_ms', 'bigint', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('key', bytes(database))
    .addColumn('value', bytes(database))
    .addColumn('seen_at_ms', 'bigint', (column) => column.notNull())
    // A record that is read again, after its topic was taken for another, is one letter.
    .addUniqueConstraint('audit_dead_letters_by_place', [
      'topic',
      'partition',
      'offset',
      'timestamp_ms',
    ])
    .execute();
}

/** The number of the last event; months share it, so that numbers are in order of arrival. */
async function createSqliteSequence(database: Kysely<never>): Promise<void> {
  await sql`create table audit_sequence (value integer not null)`.execute(database);
  await sql`insert into audit_sequence values (0)`.execute(database);
}
