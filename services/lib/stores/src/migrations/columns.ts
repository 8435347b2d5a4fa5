import {
  PostgresAdapter,
  sql,
  type CreateTableBuilder,
  type Kysely,
  type RawBuilder,
} from 'kysely';

export function isPostgres(database: Pick<Kysely<never>, 'getExecutor'>): boolean {
  return database.getExecutor().adapter instanceof PostgresAdapter;
}

/** Adds `id`, given by the database, growing, never used twice. */
export function withId<Table extends string, Column extends string>(
  database: Kysely<never>,
  table: CreateTableBuilder<Table, Column>,
): CreateTableBuilder<Table, Column | 'id'> {
  return isPostgres(database)
    ? table.addColumn('id', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity())
    : table.addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement());
}

/** The type of bytes of any length. */
export function bytes(database: Kysely<never>): RawBuilder<unknown> {
  return isPostgres(database) ? sql`bytea` : sql`blob`;
}
