import { sql, type Kysely, type RawBuilder } from 'kysely';

import { isPostgres } from './migrations/columns.ts';

/**
 * Rows of whole numbers as a table to select from. They travel as one parameter of JSON, because
 * databases limit parameters and every other number of rows would be another statement to prepare.
 */
export function numberRows<Column extends string>(
  database: Pick<Kysely<never>, 'getExecutor'>,
  columns: readonly Column[],
  rows: readonly (readonly number[])[],
): RawBuilder<Record<Column, number>> {
  const json = JSON.stringify(rows);
  const table = isPostgres(database)
    ? sql`json_array_elements(${json}::json)`
    : sql`json_each(${json})`;
  const selected = columns.map(
    (column, index) => sql`cast(value ->> ${sql.lit(index)} as bigint) as ${sql.ref(column)}`,
  );
  return sql`(select ${sql.join(selected)} from ${table})`;
}
