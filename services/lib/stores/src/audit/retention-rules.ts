import type { RetentionRule, Tenant } from '@trailpush/core';
import { isMonthExpired, type RetentionPolicy } from '@trailpush/core';
import type { Kysely, Selectable, Transaction } from 'kysely';

import { monthOf, type Month } from './months.ts';
import type { RetentionTables } from './retention-schema.ts';
import type { AuditTables } from './schema.ts';

/** Who holds it sees all confirmed rules, and nobody changes them or removes events. */
export async function lockRetention(transaction: Transaction<AuditTables>): Promise<void> {
  await transaction.selectFrom('audit_retention').select('owner').forUpdate().execute();
}

export async function readRule(
  database: Kysely<AuditTables>,
  tenant: Tenant,
): Promise<RetentionRule> {
  const row = await database
    .selectFrom('audit_rules')
    .selectAll()
    .where('kind', '=', tenant.kind)
    .where('id', '=', tenant.id)
    .executeTakeFirst();
  return row === undefined ? { tenant, months: null, hold: null } : ruleOf(row);
}

export function ruleOf(row: Selectable<RetentionTables['audit_rules']>): RetentionRule {
  const { kind, id, months, hold_reason: reason, hold_by: by, hold_since_ms: sinceMs } = row;
  const tenant = { kind: kind as Tenant['kind'], id };
  const isHeld = reason !== null && by !== null && sinceMs !== null;
  return { tenant, months, hold: isHeld ? { reason, by, sinceMs } : null };
}

export async function storeRule(
  transaction: Transaction<AuditTables>,
  { tenant: { kind, id }, months, hold }: RetentionRule,
): Promise<void> {
  await transaction
    .deleteFrom('audit_rules')
    .where('kind', '=', kind)
    .where('id', '=', id)
    .execute();
  if (months === null && hold === null) return;
  await transaction
    .insertInto('audit_rules')
    .values({
      ...{ kind, id, months },
      hold_reason: hold?.reason ?? null,
      hold_by: hold?.by ?? null,
      hold_since_ms: hold?.sinceMs ?? null,
    })
    .execute();
}

/** What of the stored events is kept, at one moment. */
export interface Keeping {
  readonly policy: RetentionPolicy;
  readonly nowMonth: Month;
  /** By the numbers of tenants. */
  readonly rules: ReadonlyMap<number, RetentionRule>;
  /** Tenants that a restored month is kept for. */
  readonly restored: ReadonlyMap<Month, ReadonlySet<number>>;
}

/** @param only one tenant, when it is about that one alone */
export async function readKeeping(
  database: Kysely<AuditTables>,
  policy: RetentionPolicy,
  only?: number,
): Promise<Keeping> {
  const rows = await database
    .selectFrom('audit_rules')
    .innerJoin('audit_tenants', (join) =>
      join
        .onRef('audit_tenants.kind', '=', 'audit_rules.kind')
        .onRef('audit_tenants.id', '=', 'audit_rules.id'),
    )
    .selectAll('audit_rules')
    .select('audit_tenants.tenant')
    .$if(only !== undefined, (query) => query.where('audit_tenants.tenant', '=', only ?? 0))
    .execute();
  const restored = await database
    .selectFrom('audit_restored')
    .select(['tenant', 'month'])
    .where('keep_until_ms', '>', policy.nowMs)
    .$if(only !== undefined, (query) => query.where('tenant', '=', only ?? 0))
    .execute();
  const byMonth = Map.groupBy(restored, ({ month }) => month);
  return {
    policy,
    nowMonth: monthOf(policy.nowMs * 1000),
    rules: new Map(rows.map((row) => [row.tenant, ruleOf(row)])),
    restored: new Map(
      [...byMonth].map(([month, of]) => [month, new Set(of.map(({ tenant }) => tenant))]),
    ),
  };
}

export function isExpired(keeping: Keeping, tenant: number, month: Month): boolean {
  if (keeping.restored.get(month)?.has(tenant)) return false;
  const { nowMonth, policy, rules } = keeping;
  return isMonthExpired(month, nowMonth, rules.get(tenant), policy.defaultMonths);
}

/** Whether there may be a tenant for whom the month has expired. */
export function mayBeExpired({ nowMonth, policy, rules }: Keeping, month: Month): boolean {
  const all = [policy.defaultMonths, ...Array.from(rules.values(), (rule) => rule.months ?? 0)];
  return all.some((months) => months > 0 && month < nowMonth - months);
}

/** Keeps what the tenants of these events have in their months until then, or longer if that was so. */
export async function keepRestored(
  transaction: Transaction<AuditTables>,
  events: readonly { readonly tenant: number; readonly timeMicros: number }[],
  keepUntilMs: number,
): Promise<void> {
  await lockRetention(transaction);
  const parts = new Map(
    events.map(({ tenant, timeMicros }) => {
      const month = monthOf(timeMicros);
      return [`${tenant} ${month}`, { tenant, month, keep_until_ms: keepUntilMs }];
    }),
  );
  for (const part of parts.values()) {
    await transaction
      .insertInto('audit_restored')
      .values(part)
      .onConflict((conflict) =>
        conflict
          .columns(['tenant', 'month'])
          .doUpdateSet({ keep_until_ms: keepUntilMs })
          .where('audit_restored.keep_until_ms', '<', keepUntilMs),
      )
      .execute();
  }
}
