import type { AuditDrop } from '@trailpush/core';
import type { Transaction } from 'kysely';

import { ruleFor, tell, type Drop, type DropContext } from '../drops.ts';
import type { Month } from '../months.ts';
import { checkOutbox } from '../retention-outbox.ts';
import { isExpired, lockRetention, readKeeping } from '../retention-rules.ts';
import type { AuditTables } from '../schema.ts';
import type { Clickhouse } from './clickhouse.ts';
import { ch, named } from './statement.ts';
import { EVENTS } from './tables.ts';
import { lockState } from './turn.ts';
import { isVisible, type Visible } from './visible.ts';

/** A partition, and what the tenants have in it, counted when `removals` was so high. */
export interface Counted {
  readonly partition: number;
  readonly month: Month;
  readonly lastSequence: number;
  readonly removals: number;
  readonly tenants: readonly Pick<Drop, 'tenant' | 'events' | 'first_micros' | 'last_micros'>[];
}

type Telling = Omit<DropContext, 'engine'>;

export async function countTenants(
  clickhouse: Clickhouse,
  visible: Visible,
  { number, month }: Visible['partitions'][number],
): Promise<Counted> {
  const tenants = await clickhouse.read<Counted['tenants'][number]>(ch`
    select tenant, count() as events, min(time_micros) as first_micros, max(time_micros) as last_micros
    from ${named(EVENTS)} where ${isVisible(visible, [number])} group by tenant order by tenant`);
  const { lastSequence, removals } = visible;
  return { partition: number, month, lastSequence, removals, tenants };
}

/**
 * Removes a month as a whole from what can be seen, with the events about it; ClickHouse drops it later. Undefined when
 * somebody needs it after all, or events came for it meanwhile.
 */
export async function removeMonth(
  transaction: Transaction<AuditTables>,
  context: Telling,
  counted: Counted,
): Promise<readonly AuditDrop[] | undefined> {
  const { month, partition, tenants } = counted;
  if (!(await mayRemove(transaction, counted))) return undefined;
  const keeping = await readKeeping(transaction, context.policy);
  if (tenants.some(({ tenant }) => !isExpired(keeping, tenant, month))) return undefined;
  const { numDeletedRows } = await transaction
    .deleteFrom('audit_partitions')
    .where('number', '=', partition)
    .where('last_sequence', '<=', counted.lastSequence)
    .executeTakeFirstOrThrow();
  if (numDeletedRows === 0n) return undefined;
  await transaction.deleteFrom('audit_removed').where('partition', '=', partition).execute();
  await transaction.deleteFrom('audit_restored').where('month', '=', month).execute();
  await setRemovals(transaction, counted.removals + 1);
  const drops = tenants.map((drop) => ({ ...drop, month, ...ruleFor(keeping, drop.tenant) }));
  return tell(transaction, context, drops);
}

/** Removes one tenant's events of a month from what can be seen, unless it needs them after all. */
export async function removeTenant(
  transaction: Transaction<AuditTables>,
  context: Telling,
  counted: Counted,
  of: Counted['tenants'][number],
): Promise<readonly AuditDrop[] | undefined> {
  const { month, partition, lastSequence: up_to } = counted;
  const { tenant } = of;
  if (!(await mayRemove(transaction, counted))) return undefined;
  const keeping = await readKeeping(transaction, context.policy, tenant);
  if (!isExpired(keeping, tenant, month)) return undefined;
  await transaction
    .insertInto('audit_removed')
    .values({ tenant, partition, up_to })
    .onConflict((conflict) => conflict.columns(['tenant', 'partition']).doUpdateSet({ up_to }))
    .execute();
  await setRemovals(transaction, counted.removals + 1);
  return tell(transaction, context, [{ ...of, month, ...ruleFor(keeping, tenant) }]);
}

/** Whether nobody else has removed events since they were counted. From here on nobody does, or changes a rule. */
async function mayRemove(
  transaction: Transaction<AuditTables>,
  { removals }: Counted,
): Promise<boolean> {
  const state = await lockState(transaction);
  await lockRetention(transaction);
  await checkOutbox(transaction);
  return state.removals === removals;
}

async function setRemovals(transaction: Transaction<AuditTables>, removals: number): Promise<void> {
  await transaction.updateTable('audit_clickhouse').set({ removals }).execute();
}
