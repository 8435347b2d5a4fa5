import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Secret } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openPostgresAuditStore, openSqliteAuditStore } from '@trailpush/stores';
import {
  createClickhouseDatabase,
  startClickhouse,
  type TestClickhouse,
} from '@trailpush/test/kit/clickhouse.ts';
import { auditRetentionContract } from '@trailpush/test/kit/contracts/audit-retention.ts';
import { auditStoreContract } from '@trailpush/test/kit/contracts/audit-store.ts';
import { appendContract } from '@trailpush/test/kit/contracts/audit-store/appending.ts';
import { followContract } from '@trailpush/test/kit/contracts/audit-store/following.ts';
import { createSuite } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { createTestDatabase } from '@trailpush/test/kit/postgres/ready.ts';
import { startPostgres } from '@trailpush/test/kit/postgres.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterAll, beforeAll, describe, it } from 'vitest';

const server = await startClickhouse();
const postgres = await startPostgres();

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
  besidePostgres(server);
}

/** Where several processes store at once: what SQL does for ClickHouse. */
function besidePostgres({ url: clickhouse }: TestClickhouse): void {
  describe('ClickHouse beside PostgreSQL', () => {
    if ('unavailable' in postgres) {
      it.skip(postgres.unavailable);
      return;
    }
    afterAll(() => postgres.stop());
    const places: { url: string; drop(): Promise<void> }[] = [];
    beforeAll(async () => {
      places.push(
        await createTestDatabase(postgres.url),
        await createClickhouseDatabase(clickhouse),
      );
    });
    const { logger } = createRecordingLogger();
    const suite = createSuite({
      open: () =>
        openPostgresAuditStore({
          ...{ url: places[0]!.url, clickhouseUrl: new Secret(places[1]!.url) },
          ...{ clock: systemClock, logger },
        }),
      remove: async () => {
        for (const place of places) await place.drop();
      },
    });
    appendContract(suite);
    followContract(suite);
  });
}
