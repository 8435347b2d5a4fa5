import type { AuditEntry } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openPostgresAuditStore } from '@trailpush/stores';
import type pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';

import { account, auditEntry } from '../kit/audit-entry.ts';
import { createTestDatabase, withClient } from '../kit/postgres/ready.ts';
import { startPostgres } from '../kit/postgres.ts';
import { createRecordingLogger } from '../kit/recording-logger.ts';
import { eventually } from '../kit/system/program.ts';

/**
 * Goal: a collector that follows the order of ingestion misses nothing when a transaction commits late.
 * Method: two writers; the first is held up after it has stored its events and before it commits, by a
 * lock on the table that it writes last. The second one would commit higher numbers meanwhile.
 */
const server = await startPostgres();
const ACME = account('acme');

if ('unavailable' in server) {
  describe('the order of ingestion on PostgreSQL', () => it.skip(server.unavailable));
} else {
  const database = await createTestDatabase(server.url);
  afterAll(async () => {
    await database.drop();
    await server.stop();
  });

  describe(`the order of ingestion on ${server.description}`, () => {
    it('has no place for events that commit late', { timeout: 60_000 }, async () => {
      const { logger } = createRecordingLogger();
      const open = () => openPostgresAuditStore({ url: database.url, clock: systemClock, logger });
      const [late, prompt, reader] = [await open(), await open(), await open()];
      const batch = (partition: number, ids: readonly string[], from?: number) => ({
        ...{ topic: 't', partition, from, to: { next: (from ?? 0) + 1, lastRead: null } },
        entries: ids.map((id) => auditEntry({ tenant: ACME, id })),
        deadLetters: [],
      });
      await late.store.append(batch(0, ['first']));
      const seen: AuditEntry[] = [];
      let after = 0;
      const poll = async () => {
        const page = await reader.store.follow({
          ...{ tenant: ACME, sinceMicros: 0, beforeMicros: Number.MAX_SAFE_INTEGER },
          ...{ limit: 100, filters: [], after },
        });
        seen.push(...page.entries);
        after = page.next;
      };
      await withClient(database.url, async (blocker) => {
        await blocker.query('begin; lock table audit_dead_letters in share mode');
        const deadLetter = { offset: 1, timestampMs: 1, reason: 'not_avro', message: 'it is none' };
        const storing = late.store.append({
          ...batch(0, ['late'], 1),
          deadLetters: [{ ...deadLetter, key: null, value: null }],
        });
        await eventually('the first writer is held up', 20_000, async () => {
          return (await countWaiting(blocker)) === 1;
        });
        const state = { isStored: false };
        const storingMore = prompt.store.append(batch(1, ['prompt'])).then((result) => {
          state.isStored = true;
          return result;
        });
        await eventually('the second writer waits, or is done', 20_000, async () => {
          return state.isStored || (await countWaiting(blocker)) === 2;
        });
        await poll();
        await blocker.query('commit');
        expect(await storing).toEqual({ stored: 1 });
        expect(await storingMore).toEqual({ stored: 1 });
      });
      await poll();
      expect(seen.map(({ id }) => id)).toEqual(['first', 'late', 'prompt']);
      await Promise.all([late.close(), prompt.close(), reader.close()]);
    });
  });
}

async function countWaiting(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ waiting: string }>(
    `select count(*) as waiting from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return Number(rows[0]!.waiting);
}
