import { afterEach, describe, expect, it, vi } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';
import { MemoryBudget } from './memory-budget.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  vi.restoreAllMocks();
  expect(world.violations()).toEqual([]);
});

const MIB = 1024 * 1024;
const RETRY = { verdict: { kind: 'retry' }, message: 'HTTP 503' } as const;

/** Follows the bytes that the one process of a test holds. */
function watchHeldBytes(): { peak: number; now: number } {
  const seen = { peak: 0, now: 0 };
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this`
  const { hold } = MemoryBudget.prototype;
  vi.spyOn(MemoryBudget.prototype, 'hold').mockImplementation(function (this: MemoryBudget, delta) {
    hold.call(this, delta);
    seen.now = this.heldBytes;
    seen.peak = Math.max(seen.peak, seen.now);
  });
  return seen;
}

describe('the memory budget', () => {
  it('bounds 200 jobs that together want far more, and all of them get everything', async () => {
    world = new BatcherWorld({ partitions: 4, maxReadRecords: 50 });
    const jobs = Array.from({ length: 200 }, (_, i) =>
      world.createJob({
        accountId: `account-${i}`,
        place: `place-${i % 7}`,
        maxUploadIntervalSeconds: 60,
      }),
    );
    const held = watchHeldBytes();
    await world.start({ memoryBudgetBytes: 2 * MIB });
    for (let round = 0; round < 6; round++) {
      for (const { accountId } of jobs) world.produce(accountId, 1, { bodyChars: 7_000 });
      await world.advance(1_000);
    }
    await world.advance(100_000);
    for (const job of jobs) {
      const place = job.spec.destinationConf.reveal().slice('mem://'.length);
      expect(world.faults(job.id, place)).toEqual([]);
    }
    expect(held.peak).toBeGreaterThan(MIB);
    expect(held.peak).toBeLessThan(2 * MIB + 64 * 1024);
    expect(held.now).toBe(0);
  });

  it('bounds 100 jobs of one account, which all want the same record', async () => {
    world = new BatcherWorld({ maxReadRecords: 50 });
    const jobs = Array.from({ length: 100 }, () =>
      world.createJob({ place: 'bucket', maxUploadIntervalSeconds: 60 }),
    );
    const held = watchHeldBytes();
    await world.start({ memoryBudgetBytes: 4 * MIB });
    for (let round = 0; round < 8; round++) {
      world.produce('acme', 5, { bodyChars: 10_000 });
      await world.advance(1_000);
    }
    await world.advance(100_000);
    for (const job of jobs) expect(world.faults(job.id)).toEqual([]);
    // What one record costs all of them is taken in at once.
    expect(held.peak).toBeLessThan(4 * MIB + 100 * 32 * 1024);
    expect(held.now).toBe(0);
  });

  it('is not kept by jobs that fail: the others go on at full speed', async () => {
    world = new BatcherWorld({ partitions: 2 });
    const dead = Array.from({ length: 20 }, (_, i) =>
      world.createJob({ accountId: `dead-${i}`, place: 'dead', maxUploadIntervalSeconds: 5 }),
    );
    const healthy = world.createJob({
      accountId: 'acme',
      place: 'up',
      maxUploadIntervalSeconds: 5,
    });
    world.places.at('dead').answer = () => RETRY;
    const held = watchHeldBytes();
    await world.start({ memoryBudgetBytes: MIB });
    for (let second = 0; second < 120; second++) {
      for (const { accountId } of dead) world.produce(accountId, 1, { bodyChars: 5_000 });
      const [event] = world.produce('acme', 1, { bodyChars: 500 });
      await world.advance(1_000);
      if (second < 20) continue;
      const due = world.owed(healthy.id).slice(0, -10);
      const late = due.filter((id) => !world.delivered(healthy.id, 'up').includes(id));
      expect(late, `at ${event?.id}`).toEqual([]);
    }
    expect(held.peak).toBeLessThan(MIB + 64 * 1024);
    world.places.at('dead').answer = () => 'deliver';
    await world.until(
      'all are delivered',
      () => dead.every(({ id }) => world.faults(id, 'dead').length === 0),
      { withinMs: 1_200_000, stepMs: 5_000 },
    );
    await world.advance(10_000);
    expect(held.now).toBe(0);
  });

  it('that is smaller than one body still lets every body be made again', async () => {
    world = new BatcherWorld({ partitions: 3, maxReadRecords: 4 });
    const accounts = ['a', 'b', 'c', 'd', 'e', 'f'];
    const jobs = accounts.map((accountId) => world.createJob({ accountId, maxUploadRecords: 30 }));
    world.places.at('bucket').latencyMs = () => 3_600_000;
    const first = await world.start();
    for (const account of accounts) world.produce(account, 130, { bodyChars: 3_000 });
    await world.advance(10_000);
    first.kill();
    world.places.at('bucket').latencyMs = () => 100;
    const held = watchHeldBytes();
    await world.start({ memoryBudgetBytes: 64 * 1024 });
    await world.until(
      'all are delivered',
      () => jobs.every(({ id }) => world.faults(id).length === 0),
      { withinMs: 3_600_000, stepMs: 5_000 },
    );
    await world.advance(60_000);
    expect(held.now).toBe(0);
  });

  it('is passed by one body at most, also when many must be made again one after the other', async () => {
    world = new BatcherWorld({ maxReadRecords: 4 });
    const accounts = ['a', 'b', 'c', 'd', 'e', 'f'];
    const jobs = accounts.map((accountId) => world.createJob({ accountId, maxUploadRecords: 20 }));
    world.places.at('bucket').latencyMs = () => 3_600_000;
    const first = await world.start();
    for (const account of accounts) world.produce(account, 80, { bodyChars: 3_000 });
    await world.advance(10_000);
    first.kill();
    world.places.at('bucket').latencyMs = () => 20_000;
    const held = watchHeldBytes();
    await world.start({ memoryBudgetBytes: 64 * 1024 });
    await world.until(
      'all are delivered',
      () => jobs.every(({ id }) => world.faults(id).length === 0),
      { withinMs: 3_600_000, stepMs: 5_000 },
    );
    // The buffer of a body is up to twice as large as its 60 kB.
    expect(held.peak).toBeLessThan((64 + 128) * 1024);
    expect(held.peak).toBeGreaterThan(64 * 1024);
  });

  it('lets a process stop while it is full', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 60 });
    world.places.at('bucket').latencyMs = () => 3_600_000;
    const process = await world.start({ memoryBudgetBytes: 100 * 1024 });
    world.produce('acme', 100, { bodyChars: 10_000 });
    await world.advance(30_000);
    await process.stop();
    world.places.at('bucket').latencyMs = () => 0;
    await world.start();
    await world.advance(100_000);
    expect(world.faults(job.id)).toEqual([]);
  });
});
