import { sql, type Kysely } from 'kysely';

/** What is kept here of events that lie in ClickHouse, see `clickhouse/schema.ts`. */
export async function addClickhouse(database: Kysely<never>): Promise<void> {
  const { schema } = database;
  await schema
    .createTable('audit_clickhouse')
    .addColumn('store', 'text')
    .addColumn('last_sequence', 'bigint', (column) => column.notNull())
    .addColumn('next_sequence', 'bigint', (column) => column.notNull())
    .addColumn('next_partition', 'integer', (column) => column.notNull())
    .addColumn('open_first', 'bigint')
    .addColumn('open_last', 'bigint')
    .addColumn('removals', 'bigint', (column) => column.notNull())
    .addColumn('clearings', 'bigint', (column) => column.notNull())
    .execute();
  await sql`insert into audit_clickhouse values (null, 0, 1, 1, null, null, 0, 0)`.execute(
    database,
  );
  await schema
    .createTable('audit_partitions')
    .addColumn('number', 'integer', (column) => column.primaryKey())
    .addColumn('month', 'integer', (column) => column.notNull().unique())
    .addColumn('last_sequence', 'bigint', (column) => column.notNull())
    .execute();
  await schema
    .createTable('audit_removed')
    .addColumn('tenant', 'integer', (column) => column.notNull())
    .addColumn('partition', 'integer', (column) => column.notNull())
    .addColumn('up_to', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_removed_key', ['tenant', 'partition'])
    .execute();
  await schema
    .createTable('audit_given_up')
    .addColumn('first', 'bigint', (column) => column.primaryKey())
    .addColumn('last', 'bigint', (column) => column.notNull())
    .addColumn('given_up_at_ms', 'bigint', (column) => column.notNull())
    .execute();
}
