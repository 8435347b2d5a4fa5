import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StoreUnavailableError } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openSqliteAuditStore } from '@trailpush/stores';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Database } from '../database.ts';
import { SqliteDialect } from '../sqlite-dialect.ts';
import { SqlAuditStore } from './audit-store.ts';
import type { AuditEngine } from './engine.ts';
import type { AuditTables } from './schema.ts';
import { sqliteAudit } from './sqlite-engine.ts';
import { Tenants } from './tenants.ts';

const ACME = account('acme');
const QUERY = {
  ...{ tenant: ACME, sinceMicros: 0, beforeMicros: MAY_21_MICROS * 2 },
  ...({ direction: 'asc', limit: 3, filters: [] } as const),
};

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trailpush-whole-'));
  file = join(folder, 'audit.db');
  const opened = await openSqliteAuditStore({ file, clock: systemClock });
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  const entries = ids.map((id, at) =>
    auditEntry({ tenant: ACME, id, timeMicros: MAY_21_MICROS + at }),
  );
  await opened.retention.restore(entries, 0);
  await opened.close();
});
afterEach(() => rm(folder, { recursive: true }));

/** The ids of a page, while `meanwhile` happens each time between finding events and reading them. */
async function pageWhile(meanwhile: (database: SqliteDatabase.Database) => void) {
  const others = new SqliteDatabase(file);
  const dialect = new SqliteDialect({ file, clock: systemClock });
  const engine: AuditEngine = {
    ...sqliteAudit,
    ...{ dialect, conflict: () => undefined, stalled: () => undefined },
    eventsAt: (...of) => {
      meanwhile(others);
      return sqliteAudit.eventsAt(...of);
    },
  };
  const database = new Database<AuditTables>(engine);
  const tenants = new Tenants(database, database);
  const store = new SqlAuditStore({
    ...{ database, queries: database, engine, clock: systemClock, tenants },
  });
  try {
    return (await store.query(QUERY)).entries.map(({ id }) => id);
  } finally {
    await database.close();
    others.close();
  }
}

describe('a page', () => {
  it('is whole when events that it has found are removed', async () => {
    let times = 0;
    const ids = await pageWhile((database) => {
      times += 1;
      if (times === 1) database.exec("delete from audit_events_202605 where id in ('a', 'b')");
    });
    expect(ids).toEqual(['c', 'd', 'e']);
  });

  it('is whole when the month is dropped', async () => {
    const ids = await pageWhile((database) => {
      database.exec('drop table audit_events_202605; delete from audit_months');
    });
    expect(ids).toEqual([]);
  });

  it('is refused when that goes on', async () => {
    const page = pageWhile((database) => {
      database.exec(
        'delete from audit_events_202605 where sequence = (select min(sequence) from audit_events_202605)',
      );
    });
    await expect(page).rejects.toBeInstanceOf(StoreUnavailableError);
  });
});
