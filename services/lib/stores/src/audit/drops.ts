import type { AuditDrop, DescribeDrop, RetentionPolicy } from '@trailpush/core';
import { sql, type Kysely, type Selectable, type Transaction } from 'kysely';

import { numberRows } from '../number-rows.ts';
import type { AuditEngine } from './engine.ts';
import type { Month } from './months.ts';
import { checkOutbox, putInOutbox } from './retention-outbox.ts';
import { isExpired, lockRetention, readKeeping, type Keeping } from './retention-rules.ts';
import type { DropsTable } from './retention-schema.ts';
import type { AuditTables } from './schema.ts';

/** Events that one step removes: others wait for it. */
const MAX_EVENTS = 1000;

export interface DropContext {
  readonly engine: AuditEngine;
  readonly policy: RetentionPolicy;
  readonly describe: DescribeDrop;
}

export type Drop = Selectable<DropsTable>;

/** The tenants that have events in a month, by a look at the index for each. */
export async function tenantsIn(
  database: Kysely<AuditTables>,
  engine: AuditEngine,
  month: Month,
): Promise<readonly number[]> {
  const table = engine.tableOf(month);
  const { rows } = await sql<{ tenant: number }>`
    with recursive found (tenant) as (
      select min(e.tenant) from ${table}
      union all
      select (select min(e.tenant) from ${table} where e.tenant > found.tenant)
      from found where found.tenant is not null
    )
    select tenant from found where tenant is not null
  `.execute(database);
  return rows.map(({ tenant }) => tenant);
}

/** Drops a month as a whole, with the events about it. Undefined when somebody needs it after all. */
export async function dropMonth(
  transaction: Transaction<AuditTables>,
  context: DropContext,
  month: Month,
): Promise<readonly AuditDrop[] | undefined> {
  const { engine, policy } = context;
  // The month before all: from here on nothing is stored in it, so that the counts stay true.
  if (!(await hasMonth(transaction, month, 'update'))) return [];
  const tenants = await tenantsIn(transaction, engine, month);
  const counted: Omit<Drop, 'months' | 'is_default'>[] = [];
  for (const tenant of tenants) {
    const { rows } = await sql<Pick<Drop, 'events' | 'first_micros' | 'last_micros'>>`
      select count(*) as events, min(e.time_micros) as first_micros, max(e.time_micros) as last_micros
      from ${engine.tableOf(month)} where e.tenant = ${tenant}
    `.execute(transaction);
    counted.push(...rows.map((row) => ({ tenant, month, ...row })));
  }
  await lockRetention(transaction);
  await checkOutbox(transaction);
  const keeping = await readKeeping(transaction, policy);
  if (tenants.some((tenant) => !isExpired(keeping, tenant, month))) return undefined;
  const begun = await begunDrops(transaction, month);
  const last = counted.map((drop) => ({ ...drop, ...ruleFor(keeping, drop.tenant) }));
  const all = new Map(begun.map((drop) => [drop.tenant, drop]));
  for (const drop of last) all.set(drop.tenant, joined(all.get(drop.tenant), drop));
  const drops = await tell(transaction, context, [...all.values()]);
  for (const table of ['audit_drops', 'audit_restored', 'audit_months'] as const) {
    await transaction.deleteFrom(table).where('month', '=', month).execute();
  }
  await engine.dropMonth(transaction as unknown as Kysely<never>, month);
  return drops;
}

/**
 * Removes the oldest events of a tenant's month, if that has expired. Undefined when there may be more; else
 * what was removed since this began, which may be nothing.
 */
export async function dropSome(
  transaction: Transaction<AuditTables>,
  context: DropContext,
  of: { readonly tenant: number; readonly month: Month },
): Promise<readonly AuditDrop[] | undefined> {
  const { tenant, month } = of;
  const hasTable = await hasMonth(transaction, month, 'share');
  await lockRetention(transaction);
  await checkOutbox(transaction);
  const keeping = await readKeeping(transaction, context.policy, tenant);
  const [begun] = await begunDrops(transaction, month, tenant);
  const times =
    hasTable && isExpired(keeping, tenant, month)
      ? await removeOldest(transaction, context.engine, {
          ...of,
          fromMicros: begun?.last_micros ?? 0,
        })
      : [];
  const removed =
    times.length === 0
      ? begun
      : joined(begun, {
          ...{ tenant, month, events: times.length, ...ruleFor(keeping, tenant) },
          first_micros: Math.min(...times),
          last_micros: Math.max(...times),
        });
  await transaction
    .deleteFrom('audit_drops')
    .where('tenant', '=', tenant)
    .where('month', '=', month)
    .execute();
  if (removed === undefined) return [];
  if (times.length < MAX_EVENTS) return tell(transaction, context, [removed]);
  await transaction.insertInto('audit_drops').values(removed).execute();
  return undefined;
}

async function hasMonth(
  transaction: Transaction<AuditTables>,
  month: Month,
  lock: 'update' | 'share',
): Promise<boolean> {
  const query = transaction.selectFrom('audit_months').select('month').where('month', '=', month);
  const locked = lock === 'update' ? query.forUpdate() : query.forShare();
  return (await locked.executeTakeFirst()) !== undefined;
}

function begunDrops(
  transaction: Transaction<AuditTables>,
  month: Month,
  tenant?: number,
): Promise<Drop[]> {
  return transaction
    .selectFrom('audit_drops')
    .selectAll()
    .where('month', '=', month)
    .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? 0))
    .execute();
}

/**
 * Their times. What is older than `fromMicros` is gone, and PostgreSQL need not walk over it once more. In SQLite
 * their terms stay until the month goes: numbers of events are not used again.
 */
async function removeOldest(
  transaction: Transaction<AuditTables>,
  engine: AuditEngine,
  of: { readonly tenant: number; readonly month: Month; readonly fromMicros: number },
): Promise<readonly number[]> {
  const { tenant, month, fromMicros } = of;
  const table = engine.tableOf(month);
  await engine.walkIndexes(transaction as unknown as Kysely<never>);
  const { rows } = await sql<{ time_micros: number }>`
    delete from ${table} where (e.tenant, e.time_micros, e.sequence) in (
      select e.tenant, e.time_micros, e.sequence from ${table}
      where e.tenant = ${tenant} and e.time_micros >= ${fromMicros}
      order by e.time_micros, e.sequence limit ${MAX_EVENTS}
    ) returning time_micros
  `.execute(transaction);
  return rows.map(({ time_micros: time }) => time);
}

export function ruleFor(
  { rules, policy }: Keeping,
  tenant: number,
): Pick<Drop, 'months' | 'is_default'> {
  const own = rules.get(tenant)?.months ?? null;
  return { months: own ?? policy.defaultMonths, is_default: own === null ? 1 : 0 };
}

function joined(begun: Drop | undefined, more: Drop): Drop {
  if (begun === undefined) return more;
  return {
    ...more,
    events: begun.events + more.events,
    first_micros: Math.min(begun.first_micros, more.first_micros),
    last_micros: Math.max(begun.last_micros, more.last_micros),
  };
}

/** Puts an event about each into the outbox. */
export async function tell(
  transaction: Transaction<AuditTables>,
  { describe, policy }: Omit<DropContext, 'engine'>,
  drops: readonly Drop[],
): Promise<readonly AuditDrop[]> {
  const wanted = drops.map(({ tenant }) => [tenant]);
  const named = await transaction
    .selectFrom('audit_tenants')
    .innerJoin(numberRows(transaction, ['wanted'], wanted).as('w'), (join) =>
      join.onRef('w.wanted', '=', 'audit_tenants.tenant'),
    )
    .select(['audit_tenants.tenant', 'kind', 'id'])
    .execute();
  const names = new Map(named.map(({ tenant, kind, id }) => [tenant, { kind, id }]));
  const all = drops.flatMap((drop): AuditDrop[] => {
    const name = names.get(drop.tenant);
    if (name === undefined) throw new Error(`events of the unknown tenant ${drop.tenant}`);
    return [
      {
        tenant: { kind: name.kind === 'account' ? 'account' : 'organization', id: name.id },
        events: drop.events,
        firstMicros: drop.first_micros,
        lastMicros: drop.last_micros,
        months: drop.months,
        isDefault: drop.is_default === 1,
      },
    ];
  });
  await putInOutbox(transaction, all.map(describe), policy.nowMs);
  return all;
}
