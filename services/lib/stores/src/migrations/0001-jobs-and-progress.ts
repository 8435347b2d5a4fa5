import { sql, type Kysely } from 'kysely';

import { bytes, withId } from './columns.ts';

export async function createJobsAndProgress(database: Kysely<never>): Promise<void> {
  await createJobs(database);
  await createPartitions(database);
  await createObjects(database);
  await createRecords(database);
  await createKeptValues(database);
}

async function createJobs(database: Kysely<never>): Promise<void> {
  await withId(database, database.schema.createTable('jobs'))
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('content_revision', 'bigint', (column) => column.notNull())
    .addColumn('ever_enabled', 'bigint', (column) => column.notNull())
    .addColumn('last_complete_ms', 'bigint')
    .addColumn('last_error_ms', 'bigint')
    .addColumn('error_message', 'text')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema
    .createIndex('jobs_by_account')
    .on('jobs')
    .columns(['account_id', 'id'])
    .execute();
  await database.schema
    .createTable('job_revisions')
    .addColumn('job_id', 'bigint', (column) => column.notNull().references('jobs.id'))
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('content_revision', 'bigint', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('dataset', 'text', (column) => column.notNull())
    .addColumn('enabled', 'bigint', (column) => column.notNull())
    .addColumn('destination_conf', 'text', (column) => column.notNull())
    .addColumn('filter', 'text', (column) => column.notNull())
    .addColumn('output_options', 'text')
    .addColumn('max_upload_bytes', 'bigint', (column) => column.notNull())
    .addColumn('max_upload_records', 'bigint', (column) => column.notNull())
    .addColumn('max_upload_interval_seconds', 'bigint', (column) => column.notNull())
    .addColumn('frequency', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('logpull_options', 'text')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('job_revisions_key', ['job_id', 'revision'])
    .execute();
  await database.schema
    .createTable('job_deletions')
    .addColumn('job_id', 'bigint', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('dropped_plans', 'bigint', (column) => column.notNull())
    .addColumn('deleted_at_ms', 'bigint', (column) => column.notNull())
    .execute();
}

async function createPartitions(database: Kysely<never>): Promise<void> {
  await database.schema
    .createTable('topics')
    .addColumn('topic', 'text', (column) => column.primaryKey())
    .addColumn('incarnation', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema
    .createTable('partitions')
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('partition', 'bigint', (column) => column.notNull())
    .addColumn('epoch', 'bigint', (column) => column.notNull())
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('live_from', 'bigint', (column) => column.notNull())
    .addColumn('last_offset', 'bigint')
    .addColumn('last_timestamp_ms', 'bigint')
    .addPrimaryKeyConstraint('partitions_key', ['topic', 'partition'])
    .execute();
  await database.schema
    .createTable('cursors')
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('partition', 'bigint', (column) => column.notNull())
    // No cursor outlives its job, whatever two transactions do at the same moment.
    .addColumn('job_id', 'bigint', (column) => column.notNull().references('jobs.id'))
    .addColumn('cursor', 'bigint', (column) => column.notNull())
    .addColumn('detached', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('cursors_key', ['topic', 'partition', 'job_id'])
    .execute();
  await database.schema.createIndex('cursors_by_job').on('cursors').column('job_id').execute();
}

async function createObjects(database: Kysely<never>): Promise<void> {
  await withId(database, database.schema.createTable('objects'))
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('partition', 'bigint', (column) => column.notNull())
    .addColumn('job_id', 'bigint', (column) => column.notNull())
    .addColumn('first', 'bigint', (column) => column.notNull())
    .addColumn('last', 'bigint', (column) => column.notNull())
    .addColumn('content_revision', 'bigint', (column) => column.notNull())
    .addColumn('location', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('name_hash', bytes(database), (column) => column.notNull())
    .addColumn('idempotency_key', 'text', (column) => column.notNull())
    .addColumn('payload_hash', 'text', (column) => column.notNull())
    .addColumn('encoder_version', 'bigint', (column) => column.notNull())
    .addColumn('records', 'bigint', (column) => column.notNull())
    .addColumn('payload_bytes', 'bigint', (column) => column.notNull())
    .addColumn('min_timestamp_ms', 'bigint', (column) => column.notNull())
    .addColumn('max_timestamp_ms', 'bigint', (column) => column.notNull())
    .addColumn('dead_letter_id', 'bigint', (column) => column.notNull())
    .addColumn('confirmed_at_ms', 'bigint')
    .addColumn('ledger_at_ms', 'bigint')
    .execute();
  await database.schema
    .createIndex('objects_by_name')
    .unique()
    .on('objects')
    .column('name_hash')
    .execute();
  await database.schema
    .createIndex('open_plans')
    .unique()
    .on('objects')
    .columns(['topic', 'partition', 'job_id', 'first'])
    .where(sql.ref('ledger_at_ms'), 'is', null)
    .execute();
  // Each index holds its part only, so that a look for open plans never wades through a long ledger.
  await database.schema
    .createIndex('ledger_by_job')
    .on('objects')
    .columns(['job_id', 'topic', 'partition', 'first'])
    .where(sql.ref('ledger_at_ms'), 'is not', null)
    .execute();
}

async function createRecords(database: Kysely<never>): Promise<void> {
  await withId(database, database.schema.createTable('gaps'))
    .addColumn('job_id', 'bigint', (column) => column.notNull())
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('partition', 'bigint', (column) => column.notNull())
    .addColumn('from_offset', 'bigint', (column) => column.notNull())
    .addColumn('to_offset', 'bigint', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('possibly_delivered', 'bigint', (column) => column.notNull())
    .addColumn('seen_at_ms', 'bigint', (column) => column.notNull())
    // One report that is sent again is one gap.
    .addUniqueConstraint('gaps_key', [
      'job_id',
      'topic',
      'partition',
      'from_offset',
      'to_offset',
      'seen_at_ms',
    ])
    .execute();
  await database.schema
    .createTable('dead_letters')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('topic', 'text', (column) => column.notNull())
    .addColumn('incarnation', 'bigint', (column) => column.notNull())
    .addColumn('partition', 'bigint', (column) => column.notNull())
    .addColumn('offset', 'bigint', (column) => column.notNull())
    .addColumn('job_id', 'bigint')
    .addColumn('account_id', 'text')
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('timestamp_ms', 'bigint', (column) => column.notNull())
    .addColumn('key', bytes(database))
    .addColumn('value', bytes(database))
    .addColumn('seen_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  const deadLetterColumns = ['topic', 'incarnation', 'partition', 'offset'] as const;
  // Two indexes, because null equals nothing in a unique one.
  await database.schema
    .createIndex('dead_letters_for_all')
    .unique()
    .on('dead_letters')
    .columns([...deadLetterColumns])
    .where(sql.ref('job_id'), 'is', null)
    .execute();
  await database.schema
    .createIndex('dead_letters_by_job')
    .unique()
    .on('dead_letters')
    .columns([...deadLetterColumns, 'job_id'])
    .where(sql.ref('job_id'), 'is not', null)
    .execute();
}

async function createKeptValues(database: Kysely<never>): Promise<void> {
  await database.schema
    .createTable('counters')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema
    .createTable('settings')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute();
}
