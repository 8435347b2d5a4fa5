import { StoreUnavailableError } from '@trailpush/core';
import type { Selectable, Transaction } from 'kysely';

import type { Month } from '../months.ts';
import type { AuditTables } from '../schema.ts';
import type { ClickhouseTables } from './schema.ts';

/** Sequences that one writer has for itself. Nobody else stores until its turn is ended or given up. */
export interface Turn {
  readonly first: number;
  /** The number of the partition of each month. */
  readonly partitions: ReadonlyMap<Month, number>;
}

type State = Selectable<ClickhouseTables['audit_clickhouse']>;

/** Who holds it is the only one who changes what can be seen in ClickHouse. Before all other locks. */
export function lockState(transaction: Transaction<AuditTables>): Promise<State> {
  return transaction
    .selectFrom('audit_clickhouse')
    .selectAll()
    .forUpdate()
    .executeTakeFirstOrThrow();
}

/** Resolves to a turn, or to the first sequence of the one under way. `isDead`: whether that one will not end. */
export async function beginTurn(
  transaction: Transaction<AuditTables>,
  of: {
    readonly count: number;
    readonly months: readonly Month[];
    readonly nowMs: number;
    readonly isDead: (first: number) => boolean;
  },
): Promise<Turn | number> {
  const state = await lockState(transaction);
  if (state.open_first !== null) {
    if (!of.isDead(state.open_first)) return state.open_first;
    await giveUp(transaction, state, of.nowMs);
  }
  const first = state.next_sequence;
  const { partitions, next } = await takePartitions(transaction, of.months, state.next_partition);
  await transaction
    .updateTable('audit_clickhouse')
    .set({
      next_sequence: first + of.count,
      next_partition: next,
      open_first: first,
      open_last: first + of.count - 1,
    })
    .execute();
  return { first, partitions };
}

async function takePartitions(
  transaction: Transaction<AuditTables>,
  months: readonly Month[],
  nextNumber: number,
): Promise<{ partitions: ReadonlyMap<Month, number>; next: number }> {
  const known = await transaction
    .selectFrom('audit_partitions')
    .select(['number', 'month'])
    .where('month', 'in', months)
    .execute();
  const partitions = new Map(known.map(({ number, month }) => [month, number]));
  let next = nextNumber;
  for (const month of months) {
    if (partitions.has(month)) continue;
    partitions.set(month, next);
    await transaction
      .insertInto('audit_partitions')
      .values({ number: next, month, last_sequence: 0 })
      .execute();
    next += 1;
  }
  return { partitions, next };
}

/**
 * Lets everybody see the first `count` rows of the turn, if `confirm` agrees; else they never were events.
 * @throws StoreUnavailableError when the turn was given up by others, or retention has dropped its month
 */
export async function endTurn(
  transaction: Transaction<AuditTables>,
  of: {
    readonly turn: Turn;
    readonly count: number;
    readonly nowMs: number;
    readonly confirm: () => Promise<boolean>;
  },
): Promise<boolean> {
  const { turn, count } = of;
  const state = await lockState(transaction);
  if (state.open_first !== turn.first) {
    throw new StoreUnavailableError(
      'storing events took so long that another process went on: are ClickHouse or this machine overloaded',
    );
  }
  if (!(await of.confirm())) {
    await giveUp(transaction, state, of.nowMs);
    return false;
  }
  const numbers = [...turn.partitions.values()];
  const last = turn.first + count - 1;
  if (count > 0) {
    const { numUpdatedRows } = await transaction
      .updateTable('audit_partitions')
      .set({ last_sequence: last })
      .where('number', 'in', numbers)
      .executeTakeFirstOrThrow();
    if (Number(numUpdatedRows) !== numbers.length) {
      throw new StoreUnavailableError('retention has dropped a month while events came for it');
    }
  }
  await transaction
    .updateTable('audit_clickhouse')
    .set({ open_first: null, open_last: null, ...(count > 0 && { last_sequence: last }) })
    .execute();
  return true;
}

/** Ends a turn whose rows are not to be seen. Does nothing when it was ended. */
export async function giveUpTurn(
  transaction: Transaction<AuditTables>,
  first: number,
  nowMs: number,
): Promise<void> {
  const state = await lockState(transaction);
  if (state.open_first === first) await giveUp(transaction, state, nowMs);
}

/** What was given up one after the other is one range, so that a long outage leaves no more than one behind. */
async function giveUp(
  transaction: Transaction<AuditTables>,
  { open_first: first, open_last: last }: State,
  nowMs: number,
): Promise<void> {
  if (first === null || last === null) return;
  const { numUpdatedRows } = await transaction
    .updateTable('audit_given_up')
    .set({ last, given_up_at_ms: nowMs })
    .where('last', '=', first - 1)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 0n) {
    await transaction
      .insertInto('audit_given_up')
      .values({ first, last, given_up_at_ms: nowMs })
      .execute();
  }
  await transaction
    .updateTable('audit_clickhouse')
    .set({ open_first: null, open_last: null })
    .execute();
}
