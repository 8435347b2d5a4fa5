import type {
  AuditDrop,
  AuditRetention,
  AuditStore,
  RetentionPolicy,
  Tenant,
} from '@trailpush/core';
import { afterAll, beforeAll } from 'vitest';
import { auditEntry } from '../../audit-entry.ts';
import type { AuditRetentionHarness } from '../audit-retention.ts';
import { newName, put } from '../audit-store/suite.ts';

/** One place for all tests: each uses tenants and months of its own. */
export interface RetentionSuite {
  readonly store: () => AuditStore;
  readonly retention: () => AuditRetention;
  /** A second process on the same place. */
  readonly other: () => AuditRetention;
}

export function createRetentionSuite(harness: AuditRetentionHarness): RetentionSuite {
  const opened: Awaited<ReturnType<AuditRetentionHarness['open']>>[] = [];
  beforeAll(async () => {
    opened.push(await harness.open(), await harness.open());
  });
  afterAll(async () => {
    for (const place of opened) await place.close();
    await harness.remove();
  });
  return {
    store: () => opened[0]!.store,
    retention: () => opened[0]!.retention,
    other: () => opened[1]!.retention,
  };
}

let decades = 0;

/** January of a decade that no other test uses. Retention sees all tenants, so tests go on in time. */
export function newYear(): number {
  decades += 1;
  return 1970 + decades * 10;
}

export function microsOf(year: number, month: number, day = 1): number {
  return Date.UTC(year, month - 1, day) * 1000;
}

/** Stores events of one tenant; their ids tell their times. */
export async function putTimes(
  store: AuditStore,
  tenant: Tenant,
  times: readonly number[],
): Promise<void> {
  await put(
    store,
    times.map((timeMicros) => auditEntry({ tenant, timeMicros, id: newName('event') })),
  );
}

export function policyAt(year: number, month: number, defaultMonths = 18): RetentionPolicy {
  return { nowMs: microsOf(year, month, 15) / 1000, defaultMonths };
}

/** All drops of one run, and the lines about them. */
export async function enforce(
  retention: AuditRetention,
  policy: RetentionPolicy,
): Promise<AuditDrop[]> {
  const drops: AuditDrop[] = [];
  for await (const drop of retention.enforce(policy, (of) => JSON.stringify(of))) {
    if (drop) drops.push(drop);
  }
  return drops;
}

/** Takes all that waits for the log. */
export async function takeLines(retention: AuditRetention): Promise<unknown[]> {
  const entries = await retention.outbox.take(10_000, 60_000);
  await retention.outbox.remove(entries.map(({ id }) => id));
  return entries.map(({ line }) => JSON.parse(line) as unknown);
}

export async function timesOf(store: AuditStore, tenant: Tenant): Promise<number[]> {
  const { entries } = await store.query({
    tenant,
    sinceMicros: 0,
    beforeMicros: Number.MAX_SAFE_INTEGER,
    direction: 'asc',
    limit: 10_000,
    filters: [],
  });
  return entries.map(({ timeMicros }) => timeMicros);
}
