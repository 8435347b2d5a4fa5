import type { AuditEntry, AuditFilter, AuditQuery, AuditStore, Tenant } from '@trailpush/core';
import { afterAll, beforeAll } from 'vitest';
import { account, MAY_21_MICROS } from '../../audit-entry.ts';

export interface AuditStoreHarness {
  /** Opens a store over one empty place; every call opens the same place once more. */
  open(): Promise<{ store: AuditStore; close(): Promise<void> }>;
  remove(): Promise<void>;
  /** Where each query takes long: of the random ones so much is enough. */
  readonly queryShare?: number;
}

/** One store for all tests: each uses tenants and topics of its own. */
export interface Suite {
  readonly store: () => AuditStore;
  /** A second process on the same place. */
  readonly other: () => AuditStore;
  /** How many of so many random queries are to be made. */
  readonly rounds: (count: number) => number;
}

export function createSuite(harness: AuditStoreHarness): Suite {
  const opened: Awaited<ReturnType<AuditStoreHarness['open']>>[] = [];
  beforeAll(async () => {
    opened.push(await harness.open(), await harness.open());
  });
  afterAll(async () => {
    for (const place of opened) await place.close();
    await harness.remove();
  });
  return {
    store: () => opened[0]!.store,
    other: () => opened[1]!.store,
    rounds: (count) => Math.ceil(count * (harness.queryShare ?? 1)),
  };
}

let names = 0;

/** A name that no other test uses. */
export function newName(kind: string): string {
  names += 1;
  return `${kind}-${names}`;
}

export function newTenant(): Tenant {
  return account(newName('account'));
}

/** Stores entries as the next ones of a partition that nothing else uses. */
export async function put(store: AuditStore, entries: readonly AuditEntry[]): Promise<void> {
  await store.append({
    topic: newName('topic'),
    partition: 0,
    from: undefined,
    to: { next: entries.length, lastRead: null },
    entries,
    deadLetters: [],
  });
}

export const DAY_MICROS = 86_400_000_000;

/** All of a tenant's events around the day that entries have by default, newest first. */
export function queryOf(tenant: Tenant, changes: Partial<AuditQuery> = {}): AuditQuery {
  return {
    tenant,
    sinceMicros: MAY_21_MICROS - 400 * DAY_MICROS,
    beforeMicros: MAY_21_MICROS + 400 * DAY_MICROS,
    direction: 'desc',
    limit: 1000,
    filters: [],
    ...changes,
  };
}

export function only(field: AuditFilter['field'], ...values: (string | number)[]): AuditFilter {
  return { field, values, isNegated: false };
}

export function not(field: AuditFilter['field'], ...values: (string | number)[]): AuditFilter {
  return { field, values, isNegated: true };
}

/** The ids of all pages, in order. */
export async function idsOf(store: AuditStore, query: AuditQuery): Promise<string[]> {
  const ids: string[] = [];
  let { after } = query;
  do {
    const page = await store.query({ ...query, ...(after && { after }) });
    if (page.entries.length === 0 && page.next) throw new Error('an empty page with more to come');
    ids.push(...page.entries.map(({ id }) => id));
    after = page.next;
  } while (after);
  return ids;
}
