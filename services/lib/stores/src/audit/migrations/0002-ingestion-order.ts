import { sql, type Kysely } from 'kysely';

import { isPostgres } from '../../migrations/columns.ts';
import { monthName, type Month } from '../months.ts';
import { createIngestionIndex } from '../ingestion-order.ts';

/** What reading in order of ingestion needs; months made later bring it along. */
export async function addIngestionOrder(database: Kysely<never>): Promise<void> {
  const { rows } = await sql<{ month: Month }>`select month from audit_months`.execute(database);
  for (const { month } of rows) {
    await createIngestionIndex(database, `audit_events_${monthName(month)}`);
  }
  if (!isPostgres(database)) return;
  await sql`create table audit_turn (one integer primary key)`.execute(database);
  await sql`insert into audit_turn values (1)`.execute(database);
}
