import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

function objectsOf(location = 'bucket') {
  return [...world.places.at(location).objects.values()];
}

describe('a batcher', () => {
  it('delivers every event of an account exactly once', async () => {
    world = new BatcherWorld({ partitions: 3 });
    const jobs = ['acme', 'beta', 'gamma'].map((accountId) =>
      world.createJob({ accountId, place: `of-${accountId}` }),
    );
    await world.start();
    for (let round = 0; round < 8; round++) {
      for (const account of ['acme', 'beta', 'gamma']) world.produce(account, 7);
      await world.advance(9_000);
    }
    await world.advance(40_000);
    for (const job of jobs) expect(world.faults(job.id, `of-${job.accountId}`)).toEqual([]);
    const lines = objectsOf('of-acme').flatMap((object) => object.lines);
    expect(new Set(lines.map((line) => line['AccountID']))).toEqual(new Set(['acme']));
  });

  it('never mixes accounts, even when they share a partition and a place', async () => {
    world = new BatcherWorld();
    const acme = world.createJob({ accountId: 'acme' });
    const beta = world.createJob({ accountId: 'beta' });
    await world.start();
    world.produce('acme', 5);
    world.produce('beta', 5);
    world.produce('nobody', 5);
    world.produce('acme', 5);
    await world.advance(40_000);
    expect(world.faults(acme.id)).toEqual([]);
    expect(world.faults(beta.id)).toEqual([]);
    expect(objectsOf()).toHaveLength(2);
  });

  it('gives two jobs of one account the same lines, each in its own objects', async () => {
    world = new BatcherWorld();
    const one = world.createJob({ place: 'one' });
    const two = world.createJob({ place: 'two', maxUploadRecords: 3 });
    await world.start();
    world.produce('acme', 9);
    await world.advance(40_000);
    expect(world.faults(one.id, 'one')).toEqual([]);
    expect(world.faults(two.id, 'two')).toEqual([]);
    expect(objectsOf('one')).toHaveLength(1);
    expect(objectsOf('two').map(({ lines }) => lines.length)).toEqual([3, 3, 3]);
  });

  it('delivers only what the filter lets through, and passes the rest', async () => {
    world = new BatcherWorld();
    const filter = '{"where":{"key":"ActionType","operator":"eq","value":"delete"}}';
    const job = world.createJob({ filter });
    const process = await world.start();
    for (let i = 0; i < 10; i++) {
      world.produce('acme', 3, { actionType: 'view' });
      world.produce('acme', 1, { actionType: 'delete' });
      world.produce('acme', 2, { actionType: 'create' });
    }
    await world.advance(40_000);
    expect(world.faults(job.id, 'bucket', (event) => event.actionType === 'delete')).toEqual([]);
    await process.stop();
    expect(world.topic.committed('trailpush-batcher').get(0)).toBe(60);
  });

  it('starts at the stored offsets of the first enabling, however late it notices', async () => {
    world = new BatcherWorld();
    world.createJob({ accountId: 'other' });
    await world.start();
    world.produce('acme', 5);
    await world.advance(5_000);
    const job = world.createJob({ enabled: false });
    world.produce('acme', 5);
    await world.advance(5_000);
    world.stores.vanished.add(job.id);
    world.updateJob(job.id, { enabled: true });
    const owed = world.produce('acme', 5);
    await world.advance(60_000);
    world.stores.vanished.delete(job.id);
    world.stores.changed();
    await world.advance(60_000);
    expect(world.delivered(job.id)).toEqual(owed.map(({ id }) => id));
  });

  it('counts null values and passes them', async () => {
    world = new BatcherWorld();
    const job = world.createJob();
    await world.start();
    world.produce('acme', 2);
    world.topic.appendRaw({ partition: 0, key: Buffer.from('acme'), value: null });
    world.produce('acme', 2);
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
    expect(world.stores.deadLetters).toEqual([]);
  });

  it('reads over offsets that hold no record', async () => {
    let n = 0;
    world = new BatcherWorld({ offsetGap: () => n++ % 4 });
    const job = world.createJob({ maxUploadRecords: 4 });
    const process = await world.start();
    world.produce('acme', 30);
    await world.advance(40_000);
    world.topic.leaveGap(0, 5);
    await world.advance(5_000);
    expect(world.faults(job.id)).toEqual([]);
    await process.stop();
    expect(world.topic.committed('trailpush-batcher').get(0)).toBe(world.topic.bounds()[0]?.end);
  });
});

describe('a batch', () => {
  it('closes at its record limit, never above it', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 10 });
    await world.start();
    world.produce('acme', 35);
    await world.advance(5_000);
    expect(objectsOf().map(({ lines }) => lines.length)).toEqual([10, 10, 10]);
    await world.advance(30_000);
    expect(objectsOf().map(({ lines }) => lines.length)).toEqual([10, 10, 10, 5]);
    expect(world.faults(job.id)).toEqual([]);
  });

  it('closes at its byte limit, never above it, save for a single line that is longer', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadBytes: 5_000 });
    await world.start();
    world.produce('acme', 10, { bodyChars: 1_500 });
    world.produce('acme', 1, { bodyChars: 9_000 });
    world.produce('acme', 2, { bodyChars: 1_500 });
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
    expect(objectsOf().map(({ lines }) => lines.length)).toEqual([3, 3, 3, 1, 1, 2]);
  });

  it('closes at its age on a log that has fallen silent', async () => {
    world = new BatcherWorld();
    world.createJob({ maxUploadIntervalSeconds: 10 });
    await world.start();
    world.produce('acme', 3);
    await world.advance(9_900);
    expect(objectsOf()).toHaveLength(0);
    await world.advance(600);
    expect(objectsOf()).toHaveLength(1);
  });

  it('closes with a few others at a time, so that 1,000 that are due do not stop the process', async () => {
    world = new BatcherWorld();
    const accounts = Array.from({ length: 12 }, (_, index) => `account-${index}`);
    for (const accountId of accounts) world.createJob({ accountId, maxUploadIntervalSeconds: 5 });
    await world.start();
    for (const account of accounts) world.produce(account, 1);
    let plans = 0;
    const planned: number[] = [];
    const stop = world.clock.every(1, () => {
      planned.push(world.stores.planned.size - plans);
      plans = world.stores.planned.size;
    });
    await world.advance(10_000);
    stop();
    expect(plans).toBe(12);
    expect(Math.max(...planned)).toBe(4);
  });

  it('that is due and cannot be closed is not looked at without end', async () => {
    world = new BatcherWorld();
    const accounts = Array.from({ length: 12 }, (_, index) => `account-${index}`);
    const jobs = accounts.map((accountId) =>
      world.createJob({ accountId, maxUploadRecords: 1, maxUploadIntervalSeconds: 1 }),
    );
    await world.start();
    world.places.at('bucket').latencyMs = () => 20_000;
    for (const account of accounts) world.produce(account, 5);
    await world.advance(10_000);
    const timers = world.clock.pendingTimers;
    await world.advance(1_000);
    expect(world.clock.pendingTimers).toBe(timers);
    await world.advance(120_000);
    for (const job of jobs) expect(world.faults(job.id)).toEqual([]);
  });

  it('counts its age from the time of the log, so that a restart does not start it anew', async () => {
    world = new BatcherWorld();
    world.createJob({ maxUploadIntervalSeconds: 10 });
    const first = await world.start();
    world.produce('acme', 3);
    await world.advance(9_000);
    first.kill();
    await world.start();
    await world.advance(2_500);
    expect(objectsOf()).toHaveLength(1);
  });

  it('is named by its times, its partition and both its offsets', async () => {
    world = new BatcherWorld();
    world.createJob({ place: 'bucket/logs/{DATE}', maxUploadIntervalSeconds: 10 });
    await world.start();
    world.produce('acme', 1);
    await world.advance(3_000);
    world.produce('acme', 1);
    await world.advance(10_000);
    const [object] = objectsOf();
    expect(object?.key).toMatch(
      /^logs\/20260101\/20260101T000000Z_20260101T000003Z_[0-9a-f]{8}\.log\.gz$/,
    );
    expect(object?.metadata).toMatchObject({
      partition: 0,
      firstOffset: 0,
      lastOffset: 1,
      records: 2,
    });
  });
});
