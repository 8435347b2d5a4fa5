import { systemClock } from '@trailpush/runtime';
import { openPostgresAuditStore } from '@trailpush/stores';
import { auditRetentionContract } from '@trailpush/test/kit/contracts/audit-retention.ts';
import { createTestDatabase } from '@trailpush/test/kit/postgres/ready.ts';
import { startPostgres } from '@trailpush/test/kit/postgres.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterAll, describe, it } from 'vitest';

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
}
