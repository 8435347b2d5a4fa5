import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const GROUP = 'trailpush-batcher';
const RETRY = { verdict: { kind: 'retry' }, message: 'HTTP 503' } as const;

describe('a stop', () => {
  it('lets uploads finish, stores where everybody stands, and commits the lowest of it', async () => {
    world = new BatcherWorld();
    const quick = world.createJob({ place: 'quick', maxUploadRecords: 4 });
    const slow = world.createJob({ place: 'slow', maxUploadRecords: 5 });
    const process = await world.start();
    world.places.at('slow').latencyMs = () => 4_000;
    world.produce('acme', 18);
    await world.advance(500);
    await process.stop();
    expect(world.cursor(quick.id)).toBe(16);
    expect(world.cursor(slow.id)).toBe(15);
    expect(world.topic.committed(GROUP).get(0)).toBe(15);
    expect(world.stores.partition('audit.events', 0)).toMatchObject({ liveFrom: 18 });
    expect(world.places.at('slow').objects.size).toBe(3);
    // What was open is read again by the next one.
    await world.start();
    await world.advance(40_000);
    expect(world.faults(quick.id, 'quick')).toEqual([]);
    expect(world.faults(slow.id, 'slow')).toEqual([]);
  });

  it('does not wait for a job whose destination fails', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5 });
    const process = await world.start();
    world.places.at('bucket').answer = () => RETRY;
    world.produce('acme', 18);
    await world.advance(30_000);
    const startedMs = world.clock.monotonic();
    await process.stop();
    expect(world.clock.monotonic() - startedMs).toBeLessThan(1_000);
    world.places.at('bucket').answer = () => 'deliver';
    await world.start();
    await world.advance(60_000);
    expect(world.faults(job.id)).toEqual([]);
  });

  it.each(['the store', 'the destination', 'the log'])(
    'ends within 25 s while %s does not answer',
    async (silent) => {
      world = new BatcherWorld();
      const job = world.createJob({ maxUploadRecords: 5 });
      const process = await world.start();
      world.produce('acme', 18);
      if (silent === 'the store') process.faults.unavailable = true;
      else if (silent === 'the log') world.topic.unavailable = true;
      else world.places.at('bucket').latencyMs = () => 3_600_000;
      await world.advance(500);
      const startedMs = world.clock.monotonic();
      await process.stop();
      expect(world.clock.monotonic() - startedMs).toBeLessThan(25_000);
      world.topic.unavailable = false;
      world.places.at('bucket').latencyMs = () => 0;
      await world.start();
      await world.advance(60_000);
      expect(world.faults(job.id)).toEqual([]);
    },
  );

  it('leaves no timer, reader or store call behind, however often it is asked for', async () => {
    world = new BatcherWorld({ partitions: 3 });
    world.createJob({ maxUploadRecords: 5 });
    const process = await world.start();
    world.produce('acme', 18);
    await world.advance(3_100);
    await Promise.all([process.stop(), process.stop()]);
    const calls = process.faults.calls;
    await world.advance(120_000);
    expect(world.clock.pendingTimers).toBe(0);
    expect(process.log.openReaders).toBe(0);
    expect(process.faults.calls).toBe(calls);
  });

  it('of a process that could not even read its jobs ends it', async () => {
    world = new BatcherWorld();
    const process = world.newProcess();
    process.faults.unavailable = true;
    const started = process.batcher.start();
    await world.advance(5_000);
    expect(process.batcher.health()).toBe('the batcher has not joined its group yet');
    await process.stop();
    await started;
    await world.advance(5_000);
    expect(world.clock.pendingTimers).toBe(0);
  });
});

describe('a process that runs for long', () => {
  it('keeps no more timers and listeners than in the beginning', async () => {
    world = new BatcherWorld({ partitions: 2 });
    world.createJob({ maxUploadIntervalSeconds: 5 });
    world.createJob({ place: 'down', maxUploadIntervalSeconds: 5 });
    world.places.at('down').answer = () => RETRY;
    await world.start();
    for (let i = 0; i < 60; i++) {
      world.produce('acme', 1);
      await world.advance(1_000);
    }
    const timers = world.clock.pendingTimers;
    for (let i = 0; i < 600; i++) {
      world.produce('acme', 1);
      await world.advance(1_000);
    }
    expect(world.clock.pendingTimers).toBeLessThanOrEqual(timers + 2);
  });
});
