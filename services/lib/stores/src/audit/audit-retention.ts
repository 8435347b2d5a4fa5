import type {
  AuditDrop,
  AuditEntry,
  AuditRetention,
  Clock,
  DescribeDrop,
  DescribeRule,
  Outbox,
  RetentionChange,
  RetentionPolicy,
  RetentionRule,
  Tenant,
} from '@trailpush/core';
import { isMonthExpired } from '@trailpush/core';

import type { Database } from '../database.ts';
import { SqlOutbox } from '../outbox.ts';
import { storeEvents } from './append.ts';
import type { SqlAuditOptions } from './audit-store.ts';
import { dropMonth, dropSome, tenantsIn, type DropContext } from './drops.ts';
import type { AuditEngine } from './engine.ts';
import { writeEvents } from './making-months.ts';
import { monthOf, type Month } from './months.ts';
import { checkOutbox, putInOutbox } from './retention-outbox.ts';
import {
  isExpired,
  keepRestored,
  lockRetention,
  mayBeExpired,
  readKeeping,
  readRule,
  ruleOf,
  storeRule,
} from './retention-rules.ts';
import { newEvents } from './new-events.ts';
import type { AuditTables } from './schema.ts';
import { nameOf, type Tenants } from './tenants.ts';

/** Retention in SQL, see `ARCHITECTURE.md`. */
export class SqlAuditRetention implements AuditRetention {
  readonly outbox: Outbox;
  readonly #database: Database<AuditTables>;
  readonly #engine: AuditEngine;
  readonly #clock: Clock;
  readonly #tenants: Tenants;

  constructor(options: SqlAuditOptions) {
    const { database, engine, clock, tenants } = options;
    this.#database = database;
    this.#engine = engine;
    this.#clock = clock;
    this.#tenants = tenants;
    this.outbox = new SqlOutbox(database, clock, 'audit_outbox');
  }

  rule(tenant: Tenant): Promise<RetentionRule> {
    return this.#database.read((kysely) => readRule(kysely, tenant));
  }

  async listRules(): Promise<readonly RetentionRule[]> {
    const rows = await this.#database.read((kysely) =>
      kysely.selectFrom('audit_rules').selectAll().orderBy('kind').orderBy('id').execute(),
    );
    return rows.map(ruleOf);
  }

  changeRule(
    tenant: Tenant,
    change: RetentionChange,
    describe: DescribeRule,
  ): Promise<RetentionRule> {
    const nowMs = this.#clock.now();
    return this.#database.write(async (transaction) => {
      await lockRetention(transaction);
      await checkOutbox(transaction);
      const before = await readRule(transaction, tenant);
      const after = { ...before, ...change };
      await storeRule(transaction, after);
      await putInOutbox(transaction, [describe(before, after)], nowMs);
      return after;
    });
  }

  async findExpired(
    entries: readonly AuditEntry[],
    { nowMs, defaultMonths }: RetentionPolicy,
  ): Promise<ReadonlySet<AuditEntry>> {
    if (entries.length === 0) return new Set();
    const nowMonth = monthOf(nowMs * 1000);
    const ids = [...new Set(entries.map(({ tenant }) => tenant.id))];
    const rows = await this.#database.read((kysely) =>
      kysely.selectFrom('audit_rules').selectAll().where('id', 'in', ids).execute(),
    );
    const rules = new Map(rows.map(ruleOf).map((rule) => [nameOf(rule.tenant), rule]));
    const expired = entries.filter(({ tenant, timeMicros }) =>
      isMonthExpired(monthOf(timeMicros), nowMonth, rules.get(nameOf(tenant)), defaultMonths),
    );
    return new Set(expired);
  }

  async lease(owner: string, forMs: number): Promise<boolean> {
    const nowMs = this.#clock.now();
    const { numUpdatedRows } = await this.#database.write((transaction) =>
      transaction
        .updateTable('audit_retention')
        .set({ owner, until_ms: nowMs + forMs })
        .where((eb) => eb.or([eb('owner', '=', owner), eb('until_ms', '<=', nowMs)]))
        .executeTakeFirstOrThrow(),
    );
    return numUpdatedRows === 1n;
  }

  async *enforce(
    policy: RetentionPolicy,
    describe: DescribeDrop,
  ): AsyncGenerator<AuditDrop | undefined, void, void> {
    const context = { engine: this.#engine, policy, describe };
    const begun = await this.#database.read((kysely) =>
      kysely.selectFrom('audit_drops').select(['tenant', 'month']).execute(),
    );
    for (const of of begun) yield* this.#dropAll(context, of);
    const keeping = await this.#database.read((kysely) => readKeeping(kysely, policy));
    const months = await this.#database.read((kysely) =>
      kysely.selectFrom('audit_months').select('month').orderBy('month').execute(),
    );
    for (const { month } of months) {
      if (!mayBeExpired(keeping, month)) continue;
      const tenants = await this.#tenantsIn(month);
      const gone = tenants.filter((tenant) => isExpired(keeping, tenant, month));
      if (gone.length === tenants.length) {
        const drops = await this.#database.write((transaction) =>
          dropMonth(transaction, context, month),
        );
        yield* drops ?? [undefined];
      } else {
        for (const tenant of gone) yield* this.#dropAll(context, { tenant, month });
      }
    }
  }

  async restore(
    entries: readonly AuditEntry[],
    keepUntilMs: number,
  ): Promise<{ readonly stored: number }> {
    const events = await newEvents(this.#engine, this.#tenants, entries);
    const stored = await writeEvents(this.#database, this.#engine, events, async (transaction) => {
      const count = await storeEvents(transaction, this.#engine, events);
      if (count === 'month missing') return count;
      await keepRestored(transaction, events, keepUntilMs);
      return count;
    });
    return { stored };
  }

  /** None when the month was dropped meanwhile. */
  async #tenantsIn(month: Month): Promise<readonly number[]> {
    try {
      return await this.#database.read((kysely) => tenantsIn(kysely, this.#engine, month));
    } catch (error) {
      if (this.#engine.isMonthGone(error)) return [];
      throw error;
    }
  }

  async *#dropAll(
    context: DropContext,
    of: { readonly tenant: number; readonly month: Month },
  ): AsyncGenerator<AuditDrop | undefined, void, void> {
    for (;;) {
      const drops = await this.#database.write((transaction) => dropSome(transaction, context, of));
      yield* drops ?? [undefined];
      if (drops !== undefined) return;
    }
  }
}
