import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MAX_OUTBOX_ENTRIES, OutboxFullError } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openSqliteAuditStore } from '@trailpush/stores';
import { auditRetentionContract } from '@trailpush/test/kit/contracts/audit-retention.ts';
import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';

const folder = await mkdtemp(join(tmpdir(), 'trailpush-retention-'));
auditRetentionContract('SQLite', {
  open: () => openSqliteAuditStore({ file: join(folder, 'audit.db'), clock: systemClock }),
  remove: () => rm(folder, { recursive: true }),
});

it('removes and changes nothing when the event about it would have to wait with too many others', async () => {
  const place = await mkdtemp(join(tmpdir(), 'trailpush-retention-'));
  const file = join(place, 'audit.db');
  const opened = await openSqliteAuditStore({ file, clock: systemClock });
  const { retention, store } = opened;
  const tenant = account('acme');
  const at = { tenant, timeMicros: Date.UTC(2020, 0) * 1000 };
  await retention.restore([auditEntry({ ...at, id: 'old' })], 0);
  const database = new Database(file);
  const add = database.prepare(
    "insert into audit_outbox (line, created_at_ms, leased_until_ms) values ('{}', 0, 0)",
  );
  database.transaction(() => {
    for (let count = 0; count < MAX_OUTBOX_ENTRIES; count += 1) add.run();
  })();
  database.close();
  const change = retention.changeRule(tenant, { months: 1 }, () => '{}');
  await expect(change).rejects.toBeInstanceOf(OutboxFullError);
  expect((await retention.rule(tenant)).months).toBeNull();
  const policy = { nowMs: Date.UTC(2026, 0), defaultMonths: 18 };
  await expect(retention.enforce(policy, () => '{}').next()).rejects.toBeInstanceOf(
    OutboxFullError,
  );
  expect(await store.find(tenant, 'old', at.timeMicros)).toBeDefined();
  await opened.close();
  await rm(place, { recursive: true });
});
