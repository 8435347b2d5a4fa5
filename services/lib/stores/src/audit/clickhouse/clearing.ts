import type { Database } from '../../database.ts';
import type { AuditTables } from '../schema.ts';
import type { Clickhouse } from './clickhouse.ts';
import { ch, integer, named, texts, type Statement } from './statement.ts';
import { EVENT_IDS, EVENTS } from './tables.ts';
import { isRemoved, readVisible } from './visible.ts';

/** An insertion that was given up may still arrive; none takes nearly as long as this. */
const ARRIVED_AFTER_MS = 3_600_000;
/** Removals that one statement carries out. */
const MAX_REMOVED = 1000;

/**
 * Frees the space of rows that nobody can see: of dropped months, of what retention removed, of what was never confirmed.
 * ClickHouse deletes when it likes to, so what is not gone yet is asked for again the next time.
 */
export async function clearRows(of: {
  readonly database: Database<AuditTables>;
  readonly clickhouse: Clickhouse;
  readonly nowMs: number;
}): Promise<void> {
  const { database, clickhouse, nowMs } = of;
  await dropPartitions(database, clickhouse);
  const { removed } = await database.read((kysely) => readVisible(kysely));
  for (const [partition, all] of Map.groupBy(removed, (each) => each.partition)) {
    for (let at = 0; at < all.length; at += MAX_REMOVED) {
      const some = all.slice(at, at + MAX_REMOVED);
      const rows = ch`partition = ${integer(partition)} and ${isRemoved(some)}`;
      if (!(await areGone(clickhouse, rows))) continue;
      for (const { tenant, up_to } of some) {
        await database.write((transaction) =>
          transaction
            .deleteFrom('audit_removed')
            .where('tenant', '=', tenant)
            .where('partition', '=', partition)
            .where('up_to', '=', up_to)
            .execute(),
        );
      }
    }
  }
  await clearGivenUp(of, nowMs - ARRIVED_AFTER_MS);
}

async function clearGivenUp(
  {
    database,
    clickhouse,
  }: { readonly database: Database<AuditTables>; readonly clickhouse: Clickhouse },
  beforeMs: number,
): Promise<void> {
  const givenUp = await database.read((kysely) =>
    kysely
      .selectFrom('audit_given_up')
      .selectAll()
      .where('given_up_at_ms', '<', beforeMs)
      .execute(),
  );
  for (const { first, last } of givenUp) {
    const rows = ch`sequence >= ${integer(first)} and sequence <= ${integer(last)}`;
    if (!(await areGone(clickhouse, rows))) continue;
    await database.write((transaction) =>
      transaction
        .deleteFrom('audit_given_up')
        .where('first', '=', first)
        .where('last', '=', last)
        .execute(),
    );
  }
}

/** Whether neither table has such rows; if they have, they are told to delete them. */
async function areGone(clickhouse: Clickhouse, rows: Statement): Promise<boolean> {
  let areThere = false;
  for (const table of [EVENTS, EVENT_IDS]) {
    const found = await clickhouse.read(ch`select 1 from ${named(table)} where ${rows} limit 1`);
    if (found.length === 0) continue;
    areThere = true;
    // Waits for nobody: on a large table it takes longer than any answer should.
    await clickhouse.change(ch`delete from ${named(table)} where ${rows}`, {
      lightweight_deletes_sync: '0',
    });
  }
  return !areThere;
}

/** A number is known to SQL before ClickHouse has such a partition, and it is never used again. */
async function dropPartitions(
  database: Database<AuditTables>,
  clickhouse: Clickhouse,
): Promise<void> {
  const stored = await clickhouse.read<{ table: string; partition: string }>(ch`
    select distinct table, partition from system.parts
    where database = currentDatabase() and active and table in ${texts([EVENTS, EVENT_IDS])}`);
  const { partitions } = await database.read((kysely) => readVisible(kysely));
  const known = new Set(partitions.map(({ number }) => number));
  for (const { table, partition } of stored) {
    const number = Number(partition);
    if (known.has(number)) continue;
    await clickhouse.change(ch`alter table ${named(table)} drop partition ${integer(number)}`);
  }
}
