import type { AuditDrop, AuditEntry, DescribeDrop, RetentionPolicy } from '@trailpush/core';

import { SqlAuditRetention } from '../audit-retention.ts';
import { newEvents } from '../new-events.ts';
import { isExpired, keepRestored, mayBeExpired, readKeeping } from '../retention-rules.ts';
import { clearRows } from './clearing.ts';
import type { ClickhouseAuditOptions } from './clickhouse-audit-store.ts';
import { countTenants, removeMonth, removeTenant } from './removal.ts';
import { newEvent } from './rows.ts';
import { readVisible } from './visible.ts';

/** Retention of events in ClickHouse, see `ARCHITECTURE.md`. */
export class ClickhouseAuditRetention extends SqlAuditRetention {
  readonly #options: ClickhouseAuditOptions;

  constructor(options: ClickhouseAuditOptions) {
    super(options);
    this.#options = options;
  }

  /** A tenant's part of a month is one step: it cannot be seen any more at once, and ClickHouse deletes it later. */
  override async *enforce(
    policy: RetentionPolicy,
    describe: DescribeDrop,
  ): AsyncGenerator<AuditDrop | undefined, void, void> {
    const { database, clickhouse, clock } = this.#options;
    const shared = { database, clickhouse };
    const context = { policy, describe };
    await clearRows({ ...shared, nowMs: clock.now() });
    const keeping = await database.read((kysely) => readKeeping(kysely, policy));
    const { partitions } = await database.read((kysely) => readVisible(kysely));
    for (const each of partitions.toSorted((a, b) => a.month - b.month)) {
      if (!mayBeExpired(keeping, each.month)) continue;
      const visible = await database.read((kysely) => readVisible(kysely));
      let counted = await countTenants(clickhouse, visible, each);
      const gone = counted.tenants.filter(({ tenant }) => isExpired(keeping, tenant, each.month));
      if (gone.length === counted.tenants.length) {
        const drops = await database.write((transaction) =>
          removeMonth(transaction, context, counted),
        );
        yield* drops ?? [undefined];
        continue;
      }
      for (const of of gone) {
        const drops = await database.write((transaction) =>
          removeTenant(transaction, context, counted, of),
        );
        if (drops) counted = { ...counted, removals: counted.removals + 1 };
        yield* drops ?? [undefined];
      }
    }
    await clearRows({ ...shared, nowMs: clock.now() });
  }

  override async restore(
    entries: readonly AuditEntry[],
    keepUntilMs: number,
  ): Promise<{ readonly stored: number }> {
    const events = await newEvents({ eventMaker: () => newEvent }, this.#options.tenants, entries);
    const stored = await this.#options.writer.store(events, {
      mayBegin: () => Promise.resolve(true),
      confirm: async (transaction) => {
        await keepRestored(transaction, events, keepUntilMs);
        return true;
      },
    });
    return { stored: stored === 'stale' ? 0 : stored };
  }
}
