import type { Transaction } from 'kysely';

import type { Database } from './database.ts';
import type { Tables } from './schema.ts';

/**
 * Raises a counter by `by` and returns its new value. Others wait until this transaction has ended, so
 * that whoever reads a value can also read everything that got a smaller one.
 */
export async function raiseCounter(
  transaction: Transaction<Tables>,
  name: Tables['counters']['name'],
  by: number,
): Promise<number> {
  const { value } = await transaction
    .insertInto('counters')
    .values({ name, value: by })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((eb) => ({ value: eb('counters.value', '+', by) })),
    )
    .returning('value')
    .executeTakeFirstOrThrow();
  return value;
}

/** 0 before the first time it is raised. */
export async function readCounter(
  database: Database<Tables>,
  name: Tables['counters']['name'],
): Promise<number> {
  const row = await database.read((kysely) =>
    kysely.selectFrom('counters').select('value').where('name', '=', name).executeTakeFirst(),
  );
  return row?.value ?? 0;
}
