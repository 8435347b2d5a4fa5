import type { AuditBatch } from '@trailpush/core';
import { sql, type Kysely, type Transaction } from 'kysely';

import type { AuditEngine, NewEvent } from './engine.ts';
import { byMonth, type Month } from './months.ts';
import type { AuditTables } from './schema.ts';

/** The position first: whoever comes later waits here, and then finds it moved. */
export async function appendBatch(
  transaction: Transaction<AuditTables>,
  engine: AuditEngine,
  of: { batch: AuditBatch; events: readonly NewEvent[]; seenAtMs: number },
): Promise<{ stored: number } | 'stale' | 'month missing'> {
  const { batch, events, seenAtMs } = of;
  if (!(await movePosition(transaction, batch))) return 'stale';
  const stored = await storeEvents(transaction, engine, events);
  if (stored === 'month missing') return stored;
  await saveLosses(transaction, batch, seenAtMs);
  return { stored };
}

/** Stores those that are not known. Resolves to their number. */
export async function storeEvents(
  transaction: Transaction<AuditTables>,
  engine: AuditEngine,
  events: readonly NewEvent[],
): Promise<number | 'month missing'> {
  const months = byMonth(events);
  if (!(await holdMonths(transaction, [...months.keys()]))) return 'month missing';
  const inserts: ReturnType<AuditEngine['inserting']>[] = [];
  let stored = 0;
  for (const [month, inMonth] of months) {
    const unknown = await unknownOf(transaction, engine, month, inMonth);
    if (unknown.length > 0) inserts.push(engine.inserting(month, unknown));
    stored += unknown.length;
  }
  // Nothing waits for what comes before the turn. Who stores one of these events meanwhile is found out by the unique
  // index: the transaction then begins anew.
  for (const insert of inserts) await insert(transaction as unknown as Kysely<never>);
  return stored;
}

/** False when the stored position is not the one that the batch begins at. */
export async function movePosition(
  transaction: Transaction<AuditTables>,
  { topic, partition, from, to }: AuditBatch,
): Promise<boolean> {
  const values = {
    next_offset: to.next,
    last_offset: to.lastRead?.offset ?? null,
    last_timestamp_ms: to.lastRead?.timestampMs ?? null,
  };
  if (from === undefined) {
    const { numInsertedOrUpdatedRows } = await transaction
      .insertInto('audit_positions')
      .values({ topic, partition, ...values })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow();
    return numInsertedOrUpdatedRows === 1n;
  }
  const { numUpdatedRows } = await transaction
    .updateTable('audit_positions')
    .set(values)
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .where('next_offset', '=', from)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Until the end of the transaction none of them is dropped. False when one has no table. */
async function holdMonths(
  transaction: Transaction<AuditTables>,
  months: readonly Month[],
): Promise<boolean> {
  if (months.length === 0) return true;
  const held = await transaction
    .selectFrom('audit_months')
    .select('month')
    .where('month', 'in', months)
    .forShare()
    .execute();
  return held.length === months.length;
}

/** Those whose id is not stored, each once. */
async function unknownOf(
  transaction: Transaction<AuditTables>,
  engine: AuditEngine,
  month: Month,
  events: readonly NewEvent[],
): Promise<NewEvent[]> {
  const unknown = new Map<string, NewEvent>();
  for (const event of events) {
    const name = `${event.tenant} ${event.id}`;
    if (!unknown.has(name)) unknown.set(name, event);
  }
  const ids = [...unknown.values()].map(({ tenant, id }) => [tenant, id]);
  const { rows } = await sql<{ tenant: number; id: string }>`
    select e.tenant, e.id from ${engine.idRows(ids)} as k cross join ${engine.tableOf(month)}
    where e.tenant = k.tenant and e.id = k.id
  `.execute(transaction);
  for (const { tenant, id } of rows) unknown.delete(`${tenant} ${id}`);
  return [...unknown.values()];
}

export async function saveLosses(
  transaction: Transaction<AuditTables>,
  { topic, partition, gap, deadLetters }: AuditBatch,
  seenAtMs: number,
): Promise<void> {
  if (gap !== undefined) {
    const { from: from_offset, to: to_offset, reason } = gap;
    await transaction
      .insertInto('audit_gaps')
      .values({ topic, partition, from_offset, to_offset, reason, seen_at_ms: seenAtMs })
      .execute();
  }
  for (const { timestampMs, ...letter } of deadLetters) {
    await transaction
      .insertInto('audit_dead_letters')
      .values({ topic, partition, timestamp_ms: timestampMs, ...letter, seen_at_ms: seenAtMs })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}
