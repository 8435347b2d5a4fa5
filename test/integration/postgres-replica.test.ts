import { ConfigError } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openPostgresAuditStore } from '@trailpush/stores';
import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { followContract } from '@trailpush/test/kit/contracts/audit-store/following.ts';
import { pageContract } from '@trailpush/test/kit/contracts/audit-store/paging.ts';
import { createSuite, put, queryOf } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { startPostgresPrograms } from '@trailpush/test/kit/postgres/programs.ts';
import { createTestDatabase, withClient } from '@trailpush/test/kit/postgres/ready.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterAll, describe, expect, it } from 'vitest';

const primary = await startPostgresPrograms();

if ('unavailable' in primary) {
  describe('a replica that answers queries', () => it.skip(primary.unavailable));
} else {
  const replica = await primary.replicate();
  afterAll(async () => {
    await replica.stop();
    await primary.stop();
  });
  const database = await createTestDatabase(primary.url);
  // What is confirmed can be read from the replica at once, as the contract wants it.
  await withClient(primary.url, async (client) => {
    await client.query(`alter system set synchronous_standby_names = '*'`);
    await client.query(`alter system set synchronous_commit = 'remote_apply'`);
    await client.query('select pg_reload_conf()');
  });

  const { logger } = createRecordingLogger();
  const urls = { url: database.url, replicaUrl: onReplica(database.url) };
  const open = (more: Partial<typeof urls> = {}) =>
    openPostgresAuditStore({ ...urls, ...more, clock: systemClock, logger });

  function onReplica(url: string): string {
    return url.replace(new URL(url).host, new URL(replica.url).host);
  }

  describe('a replica that answers queries', () => {
    const suite = createSuite({ open, remove: async () => undefined });
    pageContract(suite);
    followContract(suite);

    it('is told from another database', async () => {
      const other = await createTestDatabase(primary.url);
      await (await open({ url: other.url, replicaUrl: other.url })).close();
      const opening = open({ replicaUrl: other.url });
      await expect(opening).rejects.toThrow(ConfigError);
      await expect(opening).rejects.toThrow('TRAILPUSH_AUDIT_REPLICA_URL names no replica');
      await other.drop();
    });

    it('names its own setting when it is away', async () => {
      const replicaUrl = 'postgres://postgres:secret@127.0.0.1:1/postgres';
      await expect(open({ replicaUrl })).rejects.toThrow(
        'PostgreSQL at 127.0.0.1:1 cannot be reached (connect ECONNREFUSED 127.0.0.1:1): check that it runs and that TRAILPUSH_AUDIT_REPLICA_URL is right',
      );
    });

    it('answers while the primary is away', async () => {
      const opened = await open();
      const { store } = opened;
      const entry = auditEntry({ tenant: account('acme'), id: 'one' });
      await put(store, [entry]);
      await primary.kill();
      const page = await store.query(queryOf(entry.tenant));
      expect(page.entries).toEqual([entry]);
      await expect(put(store, [entry])).rejects.toThrow('DATABASE_URL');
      await opened.close();
    });
  });
}
