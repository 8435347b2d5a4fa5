import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Secret } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openSqliteAuditStore } from '@trailpush/stores';
import { createClickhouseDatabase, startClickhouse } from '@trailpush/test/kit/clickhouse.ts';
import { auditRetentionContract } from '@trailpush/test/kit/contracts/audit-retention.ts';
import { auditStoreContract } from '@trailpush/test/kit/contracts/audit-store.ts';
import { afterAll, describe, it } from 'vitest';

const server = await startClickhouse();

if ('unavailable' in server) {
  describe('the audit store on ClickHouse', () => it.skip(server.unavailable));
} else {
  afterAll(() => server.stop());
  for (const contract of [auditStoreContract, auditRetentionContract]) {
    const folder = await mkdtemp(join(tmpdir(), 'trailpush-clickhouse-store-'));
    const database = await createClickhouseDatabase(server.url);
    contract(`${server.description} beside SQLite`, {
      queryShare: 0.2,
      open: () =>
        openSqliteAuditStore({
          file: join(folder, 'audit.db'),
          clock: systemClock,
          clickhouseUrl: new Secret(database.url),
        }),
      remove: async () => {
        await database.drop();
        await rm(folder, { recursive: true });
      },
    });
  }
}
