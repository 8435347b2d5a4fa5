import { StoreUnavailableError } from '@trailpush/core';
import type { Kysely, Transaction } from 'kysely';

import type { Database } from '../database.ts';
import type { AuditEngine, NewEvent } from './engine.ts';
import { byMonth, type Month } from './months.ts';
import type { AuditTables } from './schema.ts';

/** How often a month is made again that was dropped before a batch could be stored. */
const MAX_TRIES = 5;

class MonthMissingError extends Error {}

/** One transaction that stores these events. Months that have no table are made, and it begins anew. */
export async function writeEvents<Result>(
  database: Database<AuditTables>,
  engine: AuditEngine,
  events: readonly NewEvent[],
  change: (transaction: Transaction<AuditTables>) => Promise<Result | 'month missing'>,
): Promise<Result> {
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    try {
      return await database.write(async (transaction) => {
        const result = await change(transaction);
        // Undoes what was stored.
        if (result === 'month missing') throw new MonthMissingError();
        return result;
      });
    } catch (error) {
      if (!(error instanceof MonthMissingError)) throw error;
      const filling = byMonth(events);
      for (const month of filling.keys()) await makeMonth(database, engine, month);
      await settleOthers(database, engine, filling);
    }
  }
  throw new StoreUnavailableError('months of the audit store are dropped as fast as they fill');
}

/** Processes that make the same month wait for one another at its row. */
async function makeMonth(
  database: Database<AuditTables>,
  engine: AuditEngine,
  month: Month,
): Promise<void> {
  await database.write(async (transaction) => {
    const { numInsertedOrUpdatedRows } = await transaction
      .insertInto('audit_months')
      .values({ month })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows !== 1n) return;
    await engine.createMonth(transaction as unknown as Kysely<never>, month);
  });
}

/** One that cannot be settled, since it is dropped meanwhile say, is read as it is until the next month begins. */
async function settleOthers(
  database: Database<AuditTables>,
  engine: AuditEngine,
  filling: ReadonlyMap<Month, unknown>,
): Promise<void> {
  const rows = await database.read((kysely) =>
    kysely.selectFrom('audit_months').select('month').execute(),
  );
  for (const { month } of rows.filter((row) => !filling.has(row.month))) {
    await database
      .write((transaction) => engine.settleMonth(transaction as unknown as Kysely<never>, month))
      .catch(() => undefined);
  }
}
