import { StoreUnavailableError } from '@trailpush/core';
import { parseEventItem } from '@trailpush/datasets';
import { Retention } from '@trailpush/indexer';
import { createMetrics } from '@trailpush/runtime';
import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { MemoryAuditRetention } from '@trailpush/test/kit/memory-audit-retention.ts';
import { MemoryAuditStore } from '@trailpush/test/kit/memory-audit-store.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { beforeEach, describe, expect, it } from 'vitest';

const START_MS = Date.UTC(2027, 10, 30, 23, 30);
const ACME = account('acme');
let clock: FakeClock;
let store: MemoryAuditStore;
let retention: MemoryAuditRetention;
let logged: ReturnType<typeof createRecordingLogger>;
let metrics: ReturnType<typeof createMetrics>;

beforeEach(() => {
  clock = new FakeClock(START_MS);
  store = new MemoryAuditStore();
  retention = new MemoryAuditRetention(store, clock);
  logged = createRecordingLogger();
  metrics = createMetrics();
});

function create(owner: string, of: Pick<MemoryAuditRetention, 'lease' | 'enforce'> = retention) {
  const { logger } = logged;
  return new Retention({ retention: of, retentionMonths: 18, clock, logger, metrics, owner });
}

describe('retention', () => {
  it('removes what has expired when it starts and every hour, and tells the account', async () => {
    const may = (id: string) => ({ id, timeMicros: Date.UTC(2026, 4, 21) * 1000 + 7 });
    const april = { id: 'april', timeMicros: Date.UTC(2026, 3, 30) * 1000 };
    store.add([april, may('a'), may('b')].map((of) => auditEntry({ tenant: ACME, ...of })));
    const running = create('one');
    running.start();
    await clock.advance(1000);
    expect(store.entries.map(({ id }) => id)).toEqual(['a', 'b']);
    // The month changes within the hour.
    await clock.advance(3_600_000);
    expect(store.entries).toEqual([]);
    await running.stop();
    const entries = await retention.outbox.take(10, 1);
    const events = entries.map(({ line }) => {
      const options = { maxLineBytes: 10_000, newId: () => '', nowMicros: () => 0 };
      const result = parseEventItem(Buffer.from(line), options);
      if (!result.ok) throw new Error(result.reason);
      return result.event;
    });
    expect(events.map(({ account: of }) => of?.id)).toEqual(['acme', 'acme']);
    expect(events[0]?.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(events[1]).toMatchObject({
      action: { type: 'delete', result: 'success', time: (START_MS + 3_600_000) * 1000 },
      actor: { type: 'system' },
      resource: { product: 'audit_logs', scope: 'accounts', type: 'retention' },
    });
    expect(JSON.parse(events[1]?.resource.value ?? '')).toEqual({
      events: 2,
      first: '2026-05-21T00:00:00.000007Z',
      last: '2026-05-21T00:00:00.000007Z',
      retention_months: 18,
      rule: 'default',
    });
    const { values } = await metrics.indexing.expiredEvents.get();
    expect(values[0]?.value).toBe(3);
  });

  it('is done by one of several processes', async () => {
    const begun: string[] = [];
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const named = (owner: string) =>
      create(owner, {
        lease: (of, forMs) => retention.lease(of, forMs),
        enforce: async function* () {
          begun.push(owner);
          yield undefined;
          await promise;
        },
      });
    const both = [named('one'), named('two')];
    for (const each of both) each.start();
    await clock.advance(1000);
    expect(begun).toEqual(['one']);
    resolve(undefined);
    // The other one looks again soon, and finds nobody at it.
    await clock.advance(60_000);
    expect(begun).toEqual(['one', 'two']);
    await Promise.all(both.map((each) => each.stop()));
  });

  it('is tried again after a minute when the store is away', async () => {
    store.add([auditEntry({ tenant: ACME, id: 'old', timeMicros: 0 })]);
    const state = { isAway: true };
    const flaky = create('one', {
      lease: async (...of) => {
        if (state.isAway) throw new StoreUnavailableError('the store is away');
        return retention.lease(...of);
      },
      enforce: (...of) => retention.enforce(...of),
    });
    flaky.start();
    await clock.advance(1000);
    expect(logged.lines.at(-1)?.message).toBe('expired audit logs stay for now');
    state.isAway = false;
    await clock.advance(60_000);
    expect(store.entries).toEqual([]);
    await flaky.stop();
  });
});
