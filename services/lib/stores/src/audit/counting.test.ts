import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { QueryTooLargeError } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { put, queryOf } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { expect, it } from 'vitest';

import { openSqliteAuditStore } from './open.ts';

it('gives a count up after ten seconds, and says what to narrow', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trailpush-count-'));
  let stepMs = 0;
  let nowMs = 0;
  const monotonic = () => (nowMs += stepMs);
  const clock = { ...systemClock, now: () => systemClock.now(), monotonic };
  const opened = await openSqliteAuditStore({ file: join(folder, 'audit.db'), clock });
  const { store } = opened;
  const tenant = account('slow');
  await put(store, [auditEntry({ tenant, id: 'one' })]);
  const counting = { ...queryOf(tenant), by: [] };
  expect(await store.count(counting)).toEqual([{ startMicros: 0, values: [], count: 1 }]);
  stepMs = 6000;
  const slow = store.count(counting);
  await expect(slow).rejects.toThrow(QueryTooLargeError);
  await expect(slow).rejects.toThrow('choose a shorter time from since to before');
  await opened.close();
  await rm(folder, { recursive: true });
});
