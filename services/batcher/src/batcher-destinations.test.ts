import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';
import type { Verdict } from '@trailpush/core';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const RETRY = { verdict: { kind: 'retry' }, message: 'HTTP 503 (service unavailable)' } as const;

function place(location: string) {
  return world.places.at(location);
}

/** Two jobs of one account: `down` can be made to fail, `up` never does. */
function twoJobs(limits = { maxUploadIntervalSeconds: 10 }) {
  return {
    down: world.createJob({ place: 'down', ...limits }),
    up: world.createJob({ place: 'up', ...limits }),
  };
}

async function produceFor(ms: number, everyMs = 1_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += everyMs) {
    world.produce('acme', 3);
    await world.advance(everyMs);
  }
}

describe('a destination that is down', () => {
  it('delays its own job only, and gets everything exactly once afterwards', async () => {
    world = new BatcherWorld();
    const { down, up } = twoJobs();
    await world.start();
    await produceFor(20_000);
    place('down').answer = () => RETRY;
    await produceFor(300_000);
    const newest = world.produced.at(-1)!;
    const delayMs = 12_000;
    const due = world.produced.filter(
      ({ offset }) => offset <= newest.offset - (delayMs / 1_000) * 3,
    );
    const delivered = new Set(world.delivered(up.id, 'up'));
    expect(due.filter(({ id }) => !delivered.has(id))).toEqual([]);
    place('down').answer = () => 'deliver';
    await world.until('the job has caught up', () => world.faults(down.id, 'down').length === 0, {
      withinMs: 400_000,
      stepMs: 5_000,
    });
    expect(world.faults(up.id, 'up').filter((fault) => !fault.endsWith('is missing'))).toEqual([]);
  });

  it('is probed by one attempt at a time, with growing pauses', async () => {
    world = new BatcherWorld();
    twoJobs({ maxUploadIntervalSeconds: 1 });
    await world.start();
    place('down').answer = () => RETRY;
    await produceFor(20_000);
    const before = place('down').attempts.length;
    await world.advance(600_000);
    const probes = place('down').attempts.slice(before);
    // With jitter fixed at one half of at most 300 s, there is room for five or so.
    expect(probes.length).toBeGreaterThan(2);
    expect(probes.length).toBeLessThan(8);
  });

  it('is not asked again before the time that it named', async () => {
    world = new BatcherWorld();
    const { down } = twoJobs();
    await world.start();
    let asked = 0;
    place('down').answer = () =>
      asked++ === 0
        ? { verdict: { kind: 'throttled', retryAfterMs: 120_000 }, message: 'HTTP 429' }
        : 'deliver';
    await produceFor(200_000);
    const [first, second] = place('down').attempts;
    expect(second!.atMs - first!.atMs).toBeGreaterThanOrEqual(120_000);
    await world.advance(60_000);
    expect(world.faults(down.id, 'down')).toEqual([]);
  });

  it.each<Verdict['kind']>(['refused', 'retry'])(
    'that says %s to one object holds the line: no later success passes it',
    async (kind) => {
      world = new BatcherWorld();
      const job = world.createJob({ place: 'down', maxUploadRecords: 5 });
      await world.start();
      place('down').answer = ({ metadata }) =>
        metadata.firstOffset === 5
          ? { verdict: { kind } as Verdict, message: 'HTTP 403 (forbidden)' }
          : 'deliver';
      world.produce('acme', 40);
      await world.advance(900_000);
      expect(world.cursor(job.id)).toBe(5);
      expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toBe('HTTP 403 (forbidden)');
      place('down').answer = () => 'deliver';
      await world.until('all is delivered', () => world.faults(job.id, 'down').length === 0, {
        withinMs: 2_000_000,
        stepMs: 5_000,
      });
      expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toBeNull();
    },
  );

  it('that keeps an object and loses its answer gets the same object again', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ place: 'down', maxUploadRecords: 5 });
    await world.start();
    place('down').answer = ({ number }) => (number % 3 === 0 ? 'deliver' : 'deliver unseen');
    world.produce('acme', 25);
    await world.advance(900_000);
    expect(world.faults(job.id, 'down')).toEqual([]);
    expect(place('down').attempts.length).toBeGreaterThan(place('down').objects.size);
  });

  it('that throws is a destination that fails: no other job notices', async () => {
    world = new BatcherWorld();
    const { down, up } = twoJobs();
    await world.start();
    place('down').answer = () => {
      throw new Error('a bug in a destination');
    };
    await produceFor(60_000);
    expect(world.stores.partition('audit.events', 0)?.epoch).toBe(1);
    expect(world.delivered(up.id, 'up').length).toBeGreaterThan(100);
    place('down').answer = () => 'deliver';
    await world.until('the job has caught up', () => world.faults(down.id, 'down').length === 0, {
      withinMs: 400_000,
      stepMs: 5_000,
    });
  });

  it('that hangs takes no more than a quarter of the upload slots', async () => {
    world = new BatcherWorld({ partitions: 8 });
    const accounts = Array.from({ length: 24 }, (_, i) => `account-${i}`);
    const limits = { maxUploadRecords: 1 };
    world.createJob({ accountId: 'acme', place: 'hangs', ...limits });
    for (const accountId of accounts) world.createJob({ accountId, place: 'up', ...limits });
    await world.start();
    place('hangs').latencyMs = () => 10 * 60_000;
    world.produce('acme', 200);
    await world.advance(5_000);
    expect(place('hangs').underWay).toBeLessThanOrEqual(4);
    for (const accountId of accounts) world.produce(accountId, 2);
    await world.advance(5_000);
    expect(place('up').objects.size).toBeGreaterThanOrEqual(24);
  });
});

describe('a job that falls behind', () => {
  it('is served by the catch-up lane and handed over exactly, while live traffic goes on', async () => {
    world = new BatcherWorld({ maxReadRecords: 20 });
    const slow = world.createJob({ place: 'slow', maxUploadRecords: 4 });
    const up = world.createJob({ place: 'up', maxUploadRecords: 4 });
    await world.start();
    place('slow').latencyMs = () => 4_000;
    await produceFor(60_000, 500);
    const detached = () =>
      world.stores.partition('audit.events', 0)?.cursors.get(slow.id)?.detached;
    expect(detached()).toBe(true);
    place('slow').latencyMs = () => 10;
    for (let i = 0; i < 600 && detached() === true; i++) await produceFor(100, 100);
    expect(detached()).not.toBe(true);
    await world.advance(40_000);
    expect(world.faults(slow.id, 'slow')).toEqual([]);
    expect(world.faults(up.id, 'up')).toEqual([]);
  });

  it('keeps at most four plans, and their bodies, at a time', async () => {
    world = new BatcherWorld();
    const slow = world.createJob({ place: 'slow', maxUploadRecords: 2 });
    await world.start();
    place('slow').latencyMs = () => 30_000;
    world.produce('acme', 100);
    await world.advance(20_000);
    expect(place('slow').underWay).toBe(4);
    expect(world.stores.partition('audit.events', 0)?.plans.get(slow.id)).toHaveLength(4);
    place('slow').latencyMs = () => 0;
    await world.until('all is delivered', () => world.faults(slow.id, 'slow').length === 0);
  });
});
