import { randomUUID } from 'node:crypto';

import { ConfigError } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Database } from '../../database.ts';
import type { AuditTables } from '../schema.ts';
import type { Clickhouse } from './clickhouse.ts';
import { ch, named } from './statement.ts';
import { createTables, OWNER } from './tables.ts';
import { lockState } from './turn.ts';

/**
 * Makes sure that ClickHouse holds the events that the SQL database knows of, and makes its tables at the first start.
 * @throws ConfigError when they do not belong together
 * @throws StoreUnavailableError
 */
export async function openEvents(
  database: Database<AuditTables>,
  clickhouse: Clickhouse,
): Promise<void> {
  await createTables(clickhouse);
  const owners = await clickhouse.read<{ id: string }>(ch`select distinct id from ${named(OWNER)}`);
  const { store, isEmpty } = await database.write((transaction) =>
    claimStore(transaction, owners.length > 0),
  );
  if (owners.length === 0 && isEmpty) {
    await clickhouse.insert(OWNER, ['id'], [[store]]);
    return;
  }
  if (owners.length === 1 && owners[0]?.id === store) return;
  throw new ConfigError(
    owners.length === 0
      ? 'TRAILPUSH_CLICKHOUSE_URL names an empty database, but the audit store has events elsewhere: name the database that holds them, or restore it'
      : OF_ANOTHER,
  );
}

const OF_ANOTHER =
  'TRAILPUSH_CLICKHOUSE_URL names the database of another audit store: give each DATABASE_URL a ClickHouse database of its own';

async function claimStore(
  transaction: Transaction<AuditTables>,
  isTaken: boolean,
): Promise<{ readonly store: string; readonly isEmpty: boolean }> {
  const { store, next_sequence } = await lockState(transaction);
  if (store !== null) return { store, isEmpty: next_sequence === 1 };
  if (isTaken) throw new ConfigError(OF_ANOTHER);
  const position = await transaction
    .selectFrom('audit_positions')
    .select('topic')
    .limit(1)
    .execute();
  const month = await transaction.selectFrom('audit_months').select('month').limit(1).execute();
  if (position.length + month.length > 0) {
    throw new ConfigError(
      'the audit store already has events in its SQL database: unset TRAILPUSH_CLICKHOUSE_URL, or name a new DATABASE_URL, for which the log is indexed from its beginning',
    );
  }
  const id = randomUUID();
  await transaction.updateTable('audit_clickhouse').set({ store: id }).execute();
  return { store: id, isEmpty: true };
}

/** @throws ConfigError when the events are in ClickHouse */
export async function requireEventsInSql(database: Database<AuditTables>): Promise<void> {
  const row = await database.read((kysely) =>
    kysely.selectFrom('audit_clickhouse').select('store').executeTakeFirst(),
  );
  if (row === undefined || row.store === null) return;
  throw new ConfigError(
    'the events of this audit store are in ClickHouse: set TRAILPUSH_CLICKHOUSE_URL to the address of their database',
  );
}
