import { MAX_AUDIT_COUNTS, QueryTooLargeError } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openPostgresAuditStore } from '@trailpush/stores';
import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, describe, expect, it } from 'vitest';

import { addSearch } from '../../services/lib/stores/src/audit/migrations/0003-search.ts';
import { openPostgresPool, postgresConfig } from '../../services/lib/stores/src/postgres-pool.ts';
import { account, auditEntry } from '../kit/audit-entry.ts';
import { idsOf, put, queryOf } from '../kit/contracts/audit-store/suite.ts';
import { createTestDatabase, withClient } from '../kit/postgres/ready.ts';
import { startPostgres } from '../kit/postgres.ts';
import { createRecordingLogger } from '../kit/recording-logger.ts';

/**
 * Goal: what PostgreSQL alone can show of the audit store: that it cancels a count which has no time left, that
 * counts are not without number, that a month which does not fill any more is settled, and that events of a version
 * without search are found after the migration.
 */
const server = await startPostgres();
const ACME = account('acme');
/** Of `auditEntry`. */
const MONTH = 'audit_events_202605';

if ('unavailable' in server) {
  describe('limits of the audit store on PostgreSQL', () => it.skip(server.unavailable));
} else {
  const database = await createTestDatabase(server.url);
  afterAll(async () => {
    await database.drop();
    await server.stop();
  });
  const { logger } = createRecordingLogger();
  const open = (clock = systemClock) =>
    openPostgresAuditStore({ url: database.url, clock, logger });
  const run = (statement: string) =>
    withClient(database.url, async (client) => (await client.query(statement)).rows as unknown[]);

  describe(`limits of the audit store on ${server.description}`, () => {
    it('enters what waits into the index of terms when another month begins', async () => {
      const opened = await open();
      await put(opened.store, [auditEntry({ tenant: ACME, id: 'may' })]);
      const timeMicros = Date.UTC(2026, 5, 2) * 1000;
      await put(opened.store, [auditEntry({ tenant: ACME, id: 'june', timeMicros })]);
      // Does it now, and answers with the pages that waited.
      const settle = (month: string) =>
        run(`select gin_clean_pending_list('${month}_by_term')::integer as pages`);
      expect(await settle('audit_events_202606')).toEqual([{ pages: 1 }]);
      expect(await settle(MONTH)).toEqual([{ pages: 0 }]);
      await opened.close();
    });

    // Without its own limit, the statement would be cancelled after 15 seconds.
    it(
      'gives a count up that has no time left while the database works on it',
      { timeout: 10_000 },
      async () => {
        let stepMs = 0;
        let nowMs = 0;
        const clock = { ...systemClock, monotonic: () => (nowMs += stepMs) };
        const opened = await open(clock);
        await put(opened.store, [auditEntry({ tenant: ACME, id: 'one' })]);
        const counting = { ...queryOf(ACME), by: [] };
        expect(await opened.store.count(counting)).toHaveLength(1);
        await withClient(database.url, async (blocker) => {
          await blocker.query(`begin; lock table ${MONTH} in access exclusive mode`);
          // The statement has 100 ms, and would wait for ever.
          stepMs = 9900;
          const slow = opened.store.count(counting);
          await expect(slow).rejects.toThrow(QueryTooLargeError);
          await expect(slow).rejects.toThrow('choose a shorter time from since to before');
          await blocker.query('rollback');
        });
        stepMs = 0;
        expect(await opened.store.count(counting)).toHaveLength(1);
        await opened.close();
      },
    );

    it('finds words in events that an older version stored, wide ones too', async () => {
      const tenant = account('old');
      const before = await open();
      const wide = Array.from({ length: 150 }, (_, index) => `wort${index}${'x'.repeat(20)}`);
      const texts = ['Änderung 1', `Änderung ${wide.join(' ')}`, 'else'];
      await put(
        before.store,
        texts.map((text, index) =>
          auditEntry({ tenant, id: `e${index}`, action_description: text }),
        ),
      );
      await before.close();
      // As it was before the migration.
      await run(`alter table audit_events drop column words, drop column is_wide`);
      const pool = openPostgresPool(postgresConfig(database.url), logger);
      const kysely = new Kysely<never>({ dialect: new PostgresDialect({ pool }) });
      await kysely.transaction().execute(addSearch);
      await kysely.destroy();
      const after = await open();
      const found = (words: string[]) => idsOf(after.store, queryOf(tenant, { words }));
      expect((await found(['änderung'])).toSorted()).toEqual(['e0', 'e1']);
      expect(await found(['wort149'])).toEqual(['e1']);
      expect(await run(`select id from ${MONTH} where is_wide`)).toEqual([{ id: 'e1' }]);
      await after.close();
    });

    it('refuses more different counts than an answer may have', { timeout: 60_000 }, async () => {
      const opened = await open();
      const tenant = account('many');
      await put(opened.store, [auditEntry({ tenant, id: 'first', actor_email: '0' })]);
      const columns = 'time_micros, tenant, bytes, actor_email, terms, words';
      const add = (from: number, to: number) =>
        run(`insert into ${MONTH} (id, ${columns}) select 'e' || number, e.time_micros, e.tenant,
          e.bytes, number::text, e.terms, e.words from ${MONTH} as e, generate_series(${from}, ${to}) as number
          where e.id = 'first'`);
      await add(1, MAX_AUDIT_COUNTS - 1);
      const counting = { ...queryOf(tenant), by: ['actor_email' as const] };
      expect(await opened.store.count(counting)).toHaveLength(MAX_AUDIT_COUNTS);
      await add(MAX_AUDIT_COUNTS, MAX_AUDIT_COUNTS);
      await expect(opened.store.count(counting)).rejects.toThrow(QueryTooLargeError);
      await opened.close();
    });
  });
}
