import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createClient } from '@clickhouse/client';
import { Secret, type AuditBatch, type AuditStore, type Clock } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openSqliteAuditStore, type OpenAuditStore } from '@trailpush/stores';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { HoldingProxy } from '@trailpush/test/kit/clickhouse/holding-proxy.ts';
import { createClickhouseDatabase, startClickhouse } from '@trailpush/test/kit/clickhouse.ts';
import { idsOf, put, queryOf } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

const server = await startClickhouse();
const tenant = account('acme');
const IDS = ['a', 'b', 'c'];
const BATCH: AuditBatch = {
  ...{ topic: 'events', partition: 0, from: undefined, to: { next: 3, lastRead: null } },
  // Of two months, which are two parts in ClickHouse.
  entries: IDS.map((id, index) =>
    auditEntry({ tenant, id, timeMicros: MAY_21_MICROS - index * 20 * 86_400_000_000 }),
  ),
  deadLetters: [],
};

/** A second is an hour. */
const fastClock: Clock = {
  now: () => systemClock.now() * 3600,
  monotonic: () => systemClock.monotonic() * 3600,
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
  every: (ms, tick) => systemClock.every(ms, tick),
};

if ('unavailable' in server) {
  describe('exactly once in ClickHouse', () => it.skip(server.unavailable));
} else {
  afterAll(() => server.stop());
  describe('exactly once in ClickHouse', () => {
    let folder: string;
    let database: Awaited<ReturnType<typeof createClickhouseDatabase>>;
    let proxy: HoldingProxy;
    let opened: OpenAuditStore[];
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'trailpush-clickhouse-once-'));
      database = await createClickhouseDatabase(server.url);
      proxy = await HoldingProxy.start(database.url);
      opened = [];
    });
    afterEach(async () => {
      for (const each of opened) await each.close();
      await proxy.stop();
      await database.drop();
      await rm(folder, { recursive: true });
    });

    const open = async (url: string, file = 'audit.db', clock = systemClock) => {
      const clickhouseUrl = new Secret(url);
      const store = await openSqliteAuditStore({ file: join(folder, file), clock, clickhouseUrl });
      opened.push(store);
      return store;
    };

    const countRows = async (): Promise<number> => {
      const client = createClient({ url: database.url });
      const query = 'select count() as n from trailpush_events';
      const result = await client.query({ query, format: 'JSONEachRow' });
      const [row] = await result.json<{ n: string }>();
      await client.close();
      return Number(row?.n);
    };

    it('stores a batch once of whose insertion the answer was lost', async () => {
      const { store } = await open(proxy.url);
      proxy.fate = 'lose the answer';
      await expect(store.append(BATCH)).rejects.toThrow(/TRAILPUSH_CLICKHOUSE_URL is right/);
      expect(await countRows()).toBe(3);
      await expectNothing(store);
      proxy.fate = 'pass';
      expect(await store.append(BATCH)).toEqual({ stored: 3 });
      expect(await countRows()).toBe(6);
      await expectOnce(store);
      expect(await store.append(BATCH)).toBe('stale');
    });

    it('stores a batch once whose rows arrive long after it was given up', async () => {
      const { store } = await open(proxy.url);
      proxy.fate = 'hold';
      await expect(store.append(BATCH)).rejects.toThrow(/cannot be reached/);
      expect(proxy.held).toBe(1);
      const { store: next, retention } = await open(database.url, 'audit.db', fastClock);
      expect(await next.append(BATCH)).toEqual({ stored: 3 });
      await proxy.release();
      expect(await countRows()).toBe(6);
      await expectOnce(next);
      const later = { ...BATCH, from: 3, to: { next: 6, lastRead: null } };
      expect(await next.append(later)).toEqual({ stored: 0 });
      await expect
        .poll(async () => {
          const policy = { nowMs: 0, defaultMonths: 0 };
          for await (const drop of retention.enforce(policy, () => ''))
            expect(drop).toBeUndefined();
          return countRows();
        })
        .toBe(3);
      await expectOnce(next);
    });

    it('goes on when whoever was storing has died, and shows nothing of it', async () => {
      const { store } = await open(database.url);
      await put(store, [auditEntry({ tenant: account('other'), id: 'before' })]);
      beginAndDie(join(folder, 'audit.db'));
      const { store: next } = await open(database.url, 'audit.db', fastClock);
      expect(await next.append(BATCH)).toEqual({ stored: 3 });
      await expectOnce(next);
    });

    it('refuses a database of other events, and to be started without its own', async () => {
      const { store } = await open(database.url);
      await store.append(BATCH);
      await expect(open(database.url, 'other.db')).rejects.toThrow(/of another audit store/);
      const empty = await createClickhouseDatabase(server.url);
      await expect(open(empty.url)).rejects.toThrow(/names an empty database/);
      await empty.drop();
      const file = join(folder, 'audit.db');
      await expect(openSqliteAuditStore({ file, clock: systemClock })).rejects.toThrow(
        /are in ClickHouse: set TRAILPUSH_CLICKHOUSE_URL/,
      );
      const plain = join(folder, 'plain.db');
      const sql = await openSqliteAuditStore({ file: plain, clock: systemClock });
      await put(sql.store, BATCH.entries);
      await sql.close();
      await expect(open(database.url, 'plain.db')).rejects.toThrow(/audit store/);
    });

    it('says what is wrong with the address, and not the password', async () => {
      const wrong = new URL(database.url);
      wrong.password = 'hunter2';
      const refused = await open(wrong.href).catch((error: unknown) => String(error));
      expect(refused).toMatch(/refuses the login: check user and password in TRAILPUSH_CLICKHOUSE/);
      expect(refused).not.toContain('hunter2');
      const missing = new URL(database.url);
      missing.pathname = '/missing';
      await expect(open(missing.href)).rejects.toThrow(/has no such database: create it/);
      await expect(open('http://u:hunter2@127.0.0.1:1/x')).rejects.toThrow(/cannot be reached/);
    });
  });
}

/** Leaves what a process leaves that is killed while it stores. */
function beginAndDie(file: string): void {
  const sql = new Database(file);
  sql.exec(`update audit_clickhouse set open_first = next_sequence,
    open_last = next_sequence + 9, next_sequence = next_sequence + 10`);
  sql.close();
}

async function expectNothing(store: AuditStore): Promise<void> {
  expect(await idsOf(store, queryOf(tenant))).toEqual([]);
  expect((await store.follow(followOf())).entries).toEqual([]);
}

/** In every kind of answer. */
async function expectOnce(store: AuditStore): Promise<void> {
  const query = queryOf(tenant);
  expect(await idsOf(store, { ...query, limit: 2 })).toEqual(IDS);
  expect(await store.locate(query)).toHaveLength(3);
  const { entries } = await store.follow(followOf());
  expect(entries.map(({ id }) => id)).toEqual(IDS);
  expect(await store.count({ ...query, by: ['id'] })).toHaveLength(3);
  expect(await store.count({ ...query, by: [] })).toMatchObject([{ count: 3 }]);
  expect(await store.find(tenant, 'b', BATCH.entries[1]!.timeMicros)).toEqual(BATCH.entries[1]);
}

function followOf() {
  return {
    ...{ tenant, sinceMicros: 0, beforeMicros: Number.MAX_SAFE_INTEGER },
    ...{ after: 0, limit: 100, filters: [] },
  };
}
