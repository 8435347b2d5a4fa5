import { systemClock } from '@trailpush/runtime';
import { openPostgresAuditStore } from '@trailpush/stores';
import { auditRetentionContract } from '@trailpush/test/kit/contracts/audit-retention.ts';
import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { createTestDatabase } from '@trailpush/test/kit/postgres/ready.ts';
import { startPostgres } from '@trailpush/test/kit/postgres.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';

const server = await startPostgres();

if ('unavailable' in server) {
  describe('audit retention on PostgreSQL', () => it.skip(server.unavailable));
} else {
  afterAll(() => server.stop());
  const database = await createTestDatabase(server.url);
  const { logger } = createRecordingLogger();
  auditRetentionContract(server.description, {
    open: () => openPostgresAuditStore({ url: database.url, clock: systemClock, logger }),
    remove: () => database.drop(),
  });

  it('gives a month up for now that somebody reads for long, and keeps nobody waiting', async () => {
    const other = await createTestDatabase(server.url);
    const opened = await openPostgresAuditStore({ url: other.url, clock: systemClock, logger });
    const { retention, store } = opened;
    const tenant = account('acme');
    await retention.restore([auditEntry({ tenant, id: 'old', timeMicros: 0 })], 0);
    const reader = new pg.Client({ connectionString: other.url });
    await reader.connect();
    await reader.query('begin; select * from audit_events');
    const run = async () => {
      const steps = retention.enforce({ nowMs: Date.UTC(2026, 0), defaultMonths: 18 }, () => '{}');
      for await (const step of steps) if (step) return step.events;
      return 0;
    };
    await expect(run()).rejects.toThrow(/did not grant a lock in time/);
    expect(await store.find(tenant, 'old', 0)).toBeDefined();
    expect(await retention.outbox.count()).toBe(0);
    await reader.query('commit');
    await reader.end();
    expect(await run()).toBe(1);
    expect(await retention.outbox.count()).toBe(1);
    await opened.close();
    await other.drop();
  });
}
