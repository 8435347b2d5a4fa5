import { sql, type Kysely } from 'kysely';

export async function createReplays(database: Kysely<never>): Promise<void> {
  await database.schema.alterTable('jobs').addColumn('replay_of', 'bigint').execute();
  await database.schema
    .createIndex('jobs_by_replayed')
    .on('jobs')
    .column('replay_of')
    .where(sql.ref('replay_of'), 'is not', null)
    .execute();
  await database.schema
    .createTable('replays')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('job_id', 'bigint', (column) => column.notNull())
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('location', 'text', (column) => column.notNull())
    .addColumn('max_records_per_second', 'bigint')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_at_ms', 'bigint')
    .addColumn('outcome', 'text')
    .addColumn('records', 'bigint')
    .addColumn('objects', 'bigint')
    .addColumn('payload_bytes', 'bigint')
    .execute();
  await database.schema
    .createIndex('replays_by_job')
    .on('replays')
    .columns(['job_id', 'id'])
    .execute();
  await database.schema
    .createTable('replay_ranges')
    .addColumn('replay_id', 'bigint', (column) =>
      column.notNull().references('replays.id').onDelete('cascade'),
    )
    .addColumn('partition', 'bigint', (column) => column.notNull())
    .addColumn('from_offset', 'bigint', (column) => column.notNull())
    .addColumn('to_offset', 'bigint', (column) => column.notNull())
    .addColumn('cursor', 'bigint')
    .addPrimaryKeyConstraint('replay_ranges_key', ['replay_id', 'partition'])
    .execute();
  // For what is old enough to go.
  await database.schema
    .createIndex('ledger_by_time')
    .on('objects')
    .column('ledger_at_ms')
    .where(sql.ref('ledger_at_ms'), 'is not', null)
    .execute();
}
