import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '@trailpush/runtime';
import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { idsOf, put, queryOf } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import Database from 'better-sqlite3';
import { Kysely } from 'kysely';
import { expect, it } from 'vitest';

import { SqliteDialect } from '../../sqlite-dialect.ts';
import { openSqliteAuditStore } from '../open.ts';
import { addSearch } from './0003-search.ts';

const tenant = account('old');

it('lets events be searched that were stored before there was a search', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trailpush-search-'));
  const file = join(folder, 'audit.db');
  const open = () => openSqliteAuditStore({ file, clock: systemClock });
  const before = await open();
  const entries = Array.from({ length: 1200 }, (_, index) =>
    auditEntry({ tenant, id: `e${index}`, action_description: `Änderung ${index}` }),
  );
  await put(before.store, entries);
  await before.close();
  undo(file);
  const kysely = new Kysely<never>({ dialect: new SqliteDialect({ file, clock: systemClock }) });
  await kysely.transaction().execute(addSearch);
  await kysely.destroy();
  const after = await open();
  expect(await idsOf(after.store, queryOf(tenant, { words: ['änderung', '1199'] }))).toEqual([
    'e1199',
  ]);
  expect(await idsOf(after.store, queryOf(tenant, { words: ['änderung'] }))).toHaveLength(1200);
  await put(after.store, [auditEntry({ tenant, id: 'new', action_description: 'new' })]);
  expect(await idsOf(after.store, queryOf(tenant, { words: ['new'] }))).toEqual(['new']);
  await after.close();
  await rm(folder, { recursive: true });
});

/** The file as it was before the migration. */
function undo(file: string): void {
  const database = new Database(file);
  database.exec(`
    drop index audit_events_202605_by_time;
    alter table audit_events_202605 drop column words;
    create index audit_events_202605_by_time on audit_events_202605 (tenant, time_micros, sequence);
  `);
  database.close();
}
