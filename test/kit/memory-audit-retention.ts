import {
  isMonthExpired,
  type AuditDrop,
  type AuditEntry,
  type AuditRetention,
  type Clock,
  type DescribeDrop,
  type DescribeRule,
  type Outbox,
  type RetentionChange,
  type RetentionPolicy,
  type RetentionRule,
  type Tenant,
} from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import type { MemoryAuditStore } from './memory-audit-store.ts';
import { MemoryOutbox } from './memory-outbox.ts';

/** Retention as its contract says it, in the plainest way. */
export class MemoryAuditRetention implements AuditRetention {
  readonly outbox: Outbox;
  readonly #lines = new MemoryOutbox();
  readonly #store: MemoryAuditStore;
  readonly #clock: Clock;
  readonly #rules = new Map<string, RetentionRule>();
  readonly #keptUntilMs = new Map<string, number>();
  #lease = { owner: '', untilMs: 0 };

  constructor(store: MemoryAuditStore, clock: Clock = systemClock) {
    this.#store = store;
    this.#clock = clock;
    this.outbox = this.#lines.open(clock);
  }

  async rule(tenant: Tenant): Promise<RetentionRule> {
    return this.#rules.get(nameOf(tenant)) ?? { tenant, months: null, hold: null };
  }

  async listRules(): Promise<readonly RetentionRule[]> {
    return [...this.#rules.values()].filter(({ months, hold }) => months !== null || hold !== null);
  }

  async changeRule(tenant: Tenant, change: RetentionChange, describe: DescribeRule) {
    this.#lines.checkRoom();
    const before = await this.rule(tenant);
    const after = { ...before, ...change };
    this.#rules.set(nameOf(tenant), after);
    this.#lines.put(describe(before, after));
    return after;
  }

  async findExpired(entries: readonly AuditEntry[], policy: RetentionPolicy) {
    return new Set(entries.filter((entry) => this.#isExpired(entry, policy)));
  }

  async lease(owner: string, forMs: number): Promise<boolean> {
    const nowMs = this.#clock.now();
    if (this.#lease.owner !== owner && this.#lease.untilMs > nowMs) return false;
    this.#lease = { owner, untilMs: nowMs + forMs };
    return true;
  }

  async *enforce(
    policy: RetentionPolicy,
    describe: DescribeDrop,
  ): AsyncGenerator<AuditDrop | undefined, void, void> {
    const gone = this.#store.entries.filter(
      (entry) =>
        this.#isExpired(entry, policy) &&
        (this.#keptUntilMs.get(partOf(entry)) ?? 0) <= policy.nowMs,
    );
    for (const part of Map.groupBy(gone, partOf).values()) {
      const entries = part.filter((entry) => this.#isExpired(entry, policy));
      if (entries.length === 0) continue;
      this.#lines.checkRoom();
      const drop = await this.#dropOf(entries, policy);
      this.#store.remove(new Set(entries));
      this.#lines.put(describe(drop));
      yield drop;
    }
  }

  async restore(entries: readonly AuditEntry[], keepUntilMs: number) {
    for (const entry of entries) {
      const kept = this.#keptUntilMs.get(partOf(entry)) ?? 0;
      this.#keptUntilMs.set(partOf(entry), Math.max(kept, keepUntilMs));
    }
    return { stored: this.#store.add(entries) };
  }

  async #dropOf(entries: readonly AuditEntry[], policy: RetentionPolicy): Promise<AuditDrop> {
    const { tenant } = entries[0]!;
    const { months } = await this.rule(tenant);
    const times = entries.map(({ timeMicros }) => timeMicros);
    return {
      tenant,
      events: entries.length,
      firstMicros: Math.min(...times),
      lastMicros: Math.max(...times),
      months: months ?? policy.defaultMonths,
      isDefault: months === null,
    };
  }

  #isExpired({ tenant, timeMicros }: AuditEntry, policy: RetentionPolicy): boolean {
    const rule = this.#rules.get(nameOf(tenant));
    const nowMonth = monthOf(policy.nowMs);
    return isMonthExpired(monthOf(timeMicros / 1000), nowMonth, rule, policy.defaultMonths);
  }
}

function nameOf({ kind, id }: Tenant): string {
  return `${kind} ${id}`;
}

function partOf({ tenant, timeMicros }: AuditEntry): string {
  return `${nameOf(tenant)} ${monthOf(timeMicros / 1000)}`;
}

function monthOf(timeMs: number): number {
  const date = new Date(timeMs);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}
