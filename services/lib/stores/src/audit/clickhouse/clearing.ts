import { sql, type Transaction } from 'kysely';

import type { Database } from '../../database.ts';
import type { AuditTables } from '../schema.ts';
import type { Clickhouse } from './clickhouse.ts';
import { ch, integer, named, texts, type Statement } from './statement.ts';
import { EVENT_IDS, EVENTS } from './tables.ts';
import { isRemoved, readVisible, type Visible } from './visible.ts';

/** An insertion that was given up may still arrive; none takes nearly as long as this. */
const ARRIVED_AFTER_MS = 3_600_000;
/** Removals that one statement carries out. */
const MAX_REMOVED = 1000;
const TABLES = [EVENTS, EVENT_IDS] as const;

interface Place {
  readonly database: Database<AuditTables>;
  readonly clickhouse: Clickhouse;
}

/** Rows that nobody can see, and what SQL knows of them until they are gone. */
interface Doomed {
  readonly rows: Statement;
  forget(transaction: Transaction<AuditTables>): Promise<unknown>;
}

/**
 * Frees the space of rows that nobody can see: of dropped months, of what retention removed, of what was never confirmed.
 * ClickHouse deletes when it likes to, so what is not gone yet is asked for again the next time.
 */
export async function clearRows(place: Place & { readonly nowMs: number }): Promise<void> {
  const { database, clickhouse, nowMs } = place;
  const changes = await unknownPartitions(place);
  const { removed } = await database.read((kysely) => readVisible(kysely));
  for (const doomed of [...doomedByRemoval(removed), ...(await doomedTurns(database, nowMs))]) {
    const tables = await tablesWith(clickhouse, doomed.rows);
    if (tables.length === 0) await database.write((transaction) => doomed.forget(transaction));
    changes.push(...tables.map((table) => ch`delete from ${named(table)} where ${doomed.rows}`));
  }
  if (changes.length === 0) return;
  // Before any row goes, and after all of them were found: see `readWholeVisible`.
  await database.write((transaction) =>
    sql`update audit_clickhouse set clearings = clearings + 1`.execute(transaction),
  );
  // Waits for no deletion: on a large table it takes longer than any answer should.
  for (const change of changes) await clickhouse.change(change, { lightweight_deletes_sync: '0' });
}

/** A number is known to SQL before ClickHouse has such a partition, and it is never used again. */
async function unknownPartitions({ database, clickhouse }: Place): Promise<Statement[]> {
  const stored = await clickhouse.read<{ table: string; partition: string }>(ch`
    select distinct table, partition from system.parts
    where database = currentDatabase() and active and table in ${texts(TABLES)}`);
  const { partitions } = await database.read((kysely) => readVisible(kysely));
  const known = new Set(partitions.map(({ number }) => number));
  return stored
    .filter(({ partition }) => !known.has(Number(partition)))
    .map(
      ({ table, partition }) =>
        ch`alter table ${named(table)} drop partition ${integer(Number(partition))}`,
    );
}

function* doomedByRemoval(removed: Visible['removed']): Generator<Doomed, void, void> {
  for (const [partition, all] of Map.groupBy(removed, (each) => each.partition)) {
    for (let at = 0; at < all.length; at += MAX_REMOVED) {
      const some = all.slice(at, at + MAX_REMOVED);
      yield {
        rows: ch`partition = ${integer(partition)} and ${isRemoved(some)}`,
        forget: async (transaction) => {
          for (const { tenant, up_to } of some) {
            await transaction
              .deleteFrom('audit_removed')
              .where('tenant', '=', tenant)
              .where('partition', '=', partition)
              .where('up_to', '=', up_to)
              .execute();
          }
        },
      };
    }
  }
}

async function doomedTurns(database: Database<AuditTables>, nowMs: number): Promise<Doomed[]> {
  const givenUp = await database.read((kysely) =>
    kysely
      .selectFrom('audit_given_up')
      .selectAll()
      .where('given_up_at_ms', '<', nowMs - ARRIVED_AFTER_MS)
      .execute(),
  );
  return givenUp.map(({ first, last }) => ({
    rows: ch`sequence >= ${integer(first)} and sequence <= ${integer(last)}`,
    forget: (transaction) =>
      transaction
        .deleteFrom('audit_given_up')
        .where('first', '=', first)
        .where('last', '=', last)
        .execute(),
  }));
}

async function tablesWith(clickhouse: Clickhouse, rows: Statement): Promise<readonly string[]> {
  const found: string[] = [];
  for (const table of TABLES) {
    const some = await clickhouse.read(ch`select 1 from ${named(table)} where ${rows} limit 1`);
    if (some.length > 0) found.push(table);
  }
  return found;
}
