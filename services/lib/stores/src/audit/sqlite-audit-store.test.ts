import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '@trailpush/runtime';
import { openSqliteAuditStore } from '@trailpush/stores';
import { auditStoreContract } from '@trailpush/test/kit/contracts/audit-store.ts';

const folder = await mkdtemp(join(tmpdir(), 'trailpush-audit-'));
auditStoreContract('SQLite', {
  open: () => openSqliteAuditStore({ file: join(folder, 'audit.db'), clock: systemClock }),
  remove: () => rm(folder, { recursive: true }),
});
