import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '@trailpush/runtime';
import { openSqliteStores } from '@trailpush/stores';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trailpush-migration-'));
});
afterEach(() => rm(folder, { recursive: true }));

const open = () =>
  openSqliteStores({
    ...{ file: join(folder, 'state.db'), secretKey: Buffer.alloc(32, 1), clock: systemClock },
    logger: createRecordingLogger().logger,
  });

it('a token from before organizations had ids of their own opens what it opened', async () => {
  await (await open()).close();
  const database = new Database(join(folder, 'state.db'));
  database.exec(`
    alter table tokens drop column organization_ids;
    delete from state_migrations where name = '0008_organizations';
    insert into tokens (id, hash, name, account_ids, permissions, allowed_addresses, created_at_ms)
    values ('some', x'00', '', '["acme","org"]', '[]', '[]', 1), ('all', x'00', '', null, '[]', '[]', 2);
  `);
  database.close();
  const stores = await open();
  expect(await stores.tokens.list()).toMatchObject([
    { id: 'some', accountIds: ['acme', 'org'], organizationIds: ['acme', 'org'] },
    { id: 'all', accountIds: null, organizationIds: [] },
  ]);
  await stores.close();
});
