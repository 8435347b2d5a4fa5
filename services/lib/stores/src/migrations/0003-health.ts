import { sql, type Kysely } from 'kysely';

import { withId } from './columns.ts';

/** Attempts, since when jobs fail, and what operators are told. */
export async function createHealth(database: Kysely<never>): Promise<void> {
  await database.schema.alterTable('jobs').addColumn('last_success_ms', 'bigint').execute();
  await database.schema.alterTable('jobs').addColumn('failing_since_ms', 'bigint').execute();
  await withId(database, database.schema.createTable('attempts'))
    .addColumn('job_id', 'bigint', (column) =>
      column.notNull().references('jobs.id').onDelete('cascade'),
    )
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addColumn('took_ms', 'bigint', (column) => column.notNull())
    .addColumn('verdict', 'text', (column) => column.notNull())
    .addColumn('code', 'bigint')
    .addColumn('message', 'text')
    .addColumn('records', 'bigint', (column) => column.notNull())
    .addColumn('wire_bytes', 'bigint', (column) => column.notNull())
    .addColumn('partition', 'bigint', (column) => column.notNull())
    .addColumn('first_offset', 'bigint', (column) => column.notNull())
    .addColumn('last_offset', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema
    .createIndex('attempts_by_job')
    .on('attempts')
    .columns(['job_id', 'id'])
    .execute();
  await withId(database, database.schema.createTable('notices'))
    .addColumn('kind', 'text', (column) => column.notNull())
    // 0 for records that are bad for everybody, because null equals nothing in a unique index.
    .addColumn('job_id', 'bigint', (column) => column.notNull())
    .addColumn('account_id', 'text')
    .addColumn('day', 'bigint', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('tries', 'bigint', (column) => column.notNull())
    .addColumn('due_at_ms', 'bigint')
    .addUniqueConstraint('notices_key', ['job_id', 'kind', 'day'])
    .execute();
  await database.schema
    .createIndex('due_notices')
    .on('notices')
    .column('due_at_ms')
    .where(sql.ref('due_at_ms'), 'is not', null)
    .execute();
}
