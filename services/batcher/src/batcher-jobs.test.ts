import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics } from '@trailpush/runtime';
import { BatcherWorld, type Produced } from '@trailpush/test/kit/batcher-world.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const TOPIC = 'audit.events';
const DELETES = '{"where":{"key":"ActionType","operator":"eq","value":"delete"}}';
const RETRY = { verdict: { kind: 'retry' }, message: 'HTTP 503' } as const;
const REFUSED = { verdict: { kind: 'refused' }, message: 'HTTP 403' } as const;

const all = () => true;

function bucket(location = 'bucket') {
  return world.places.at(location);
}

function ids(events: readonly Produced[]): string[] {
  return events.map(({ id }) => id);
}

describe('a new job', () => {
  it('loses nothing to a process that takes its partition over and has not heard of it', async () => {
    world = new BatcherWorld();
    world.createJob({ accountId: 'other' });
    const late = await world.start();
    world.topic.expel(late.log);
    const quick = await world.start();
    late.faults.unavailable = true;
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    await world.until(
      'the job has no row of its own any more',
      () => world.cursor(job.id) === undefined,
    );
    quick.kill();
    // The change is told to nobody again, and reading the jobs goes on to fail for a while.
    late.faults.fateOf = ({ name }) => (name === 'loadAll' ? 'fail' : 'answer');
    late.faults.unavailable = false;
    world.topic.rejoin(late.log);
    world.produce('acme', 5);
    await world.advance(20_000);
    late.faults.fateOf = () => 'answer';
    await world.advance(20_000);
    expect(world.faults(job.id)).toEqual([]);
  });
});

describe('a change of content', () => {
  it('takes effect at the first unplanned offset, backlog included', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 4 });
    await world.start();
    bucket().answer = () => RETRY;
    const views = world.produce('acme', 30, { actionType: 'view' });
    const deletes = world.produce('acme', 10, { actionType: 'delete' });
    await world.advance(5_000);
    const planned = world.stores.partition(TOPIC, 0)?.plans.get(job.id)?.at(-1)?.last;
    expect(planned).toBe(15);
    world.updateJob(job.id, { filter: DELETES });
    bucket().answer = () => 'deliver';
    await world.advance(120_000);
    expect(world.delivered(job.id)).toEqual([...ids(views.slice(0, 16)), ...ids(deletes)]);
    const revisions = [...bucket().objects.values()].map(({ metadata }) => metadata.firstOffset);
    expect(revisions.toSorted((a, b) => a - b)[4]).toBe(16);
  });

  it('looks again at what the old content had passed without a plan', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ filter: DELETES, maxUploadIntervalSeconds: 1 });
    const first = await world.start();
    world.produce('acme', 1, { actionType: 'delete' });
    await world.until('the cursor is stored', () => world.cursor(job.id) === 1);
    const passed = world.produce('acme', 3, { actionType: 'view' });
    await world.advance(100);
    expect(world.cursor(job.id)).toBe(1);
    bucket().latencyMs = () => 60_000;
    world.updateJob(job.id, { filter: '' });
    await world.advance(100);
    const next = world.produce('acme', 1);
    await world.until('a plan is stored', () => bucket().underWay === 1);
    // Whoever makes the body again must come to the same one.
    first.kill();
    bucket().latencyMs = () => 0;
    await world.start();
    await world.advance(30_000);
    expect(world.delivered(job.id)).toEqual(['e0', ...ids(passed), ...ids(next)]);
  });

  it('does not touch the other jobs of its account', async () => {
    world = new BatcherWorld();
    const changed = world.createJob({ place: 'one', maxUploadIntervalSeconds: 10 });
    const other = world.createJob({ place: 'two', maxUploadIntervalSeconds: 10 });
    await world.start();
    for (let i = 0; i < 10; i++) {
      world.produce('acme', 3, { actionType: 'delete' });
      world.updateJob(changed.id, { filter: i % 2 === 0 ? DELETES : '' });
      await world.advance(3_000);
    }
    await world.advance(30_000);
    expect(world.faults(changed.id, 'one')).toEqual([]);
    expect(world.faults(other.id, 'two')).toEqual([]);
    expect(world.stores.gaps).toEqual([]);
  });
});

describe('a job that is paused', () => {
  it('gets nothing meanwhile, and goes on at its cursor', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5, maxUploadIntervalSeconds: 5 });
    await world.start();
    world.produce('acme', 8);
    await world.advance(2_000);
    world.updateJob(job.id, { enabled: false });
    await world.advance(1_000);
    const before = bucket().attempts.length;
    world.produce('acme', 20);
    await world.advance(300_000);
    expect(bucket().attempts).toHaveLength(before);
    world.updateJob(job.id, { enabled: true });
    await world.advance(30_000);
    expect(world.faults(job.id)).toEqual([]);
  });

  it('goes on at its cursor in another process too', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    const first = await world.start();
    world.produce('acme', 3);
    await world.advance(20_000);
    first.kill();
    world.updateJob(job.id, { enabled: false });
    world.produce('acme', 3);
    const second = await world.start();
    world.produce('acme', 3);
    await world.advance(20_000);
    second.kill();
    await world.start();
    world.updateJob(job.id, { enabled: true });
    await world.advance(20_000);
    expect(world.faults(job.id)).toEqual([]);
  });

  it('in the middle of its deliveries holds no memory', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5 });
    const metrics = createMetrics();
    const process = await world.start({ metrics });
    bucket().answer = () => RETRY;
    process.faults.latencyMs = () => 700;
    world.produce('acme', 40, { bodyChars: 1_000 });
    await world.advance(1_500);
    world.updateJob(job.id, { enabled: false });
    await world.advance(10_000);
    expect((await metrics.reading.inflightBytes.get()).values[0]?.value).toBe(0);
    bucket().answer = () => 'deliver';
    world.updateJob(job.id, { enabled: true });
    await world.until('all is delivered', () => world.faults(job.id).length === 0);
  });
});

describe('a job that is deleted', () => {
  it('is sent no more, gives its memory back, and leaves no metrics', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5 });
    const other = world.createJob({ place: 'other', maxUploadRecords: 5 });
    const metrics = createMetrics();
    await world.start({ metrics });
    bucket().answer = () => RETRY;
    world.produce('acme', 33, { bodyChars: 1_000 });
    await world.advance(6_000);
    world.deleteJob(job.id);
    await world.advance(5_000);
    const attempts = bucket().attempts.length;
    await world.advance(600_000);
    expect(bucket().attempts).toHaveLength(attempts);
    expect(world.faults(other.id, 'other')).toEqual([]);
    expect((await metrics.reading.inflightBytes.get()).values[0]?.value).toBe(0);
    expect(await metrics.registry.metrics()).not.toContain(`job_id="${job.id}"`);
  });

  it('without a record keeps partitions from being taken, and readiness says so', async () => {
    world = new BatcherWorld({ partitions: 2 });
    const job = world.createJob();
    const process = await world.start();
    world.stores.vanished.add(job.id);
    world.stores.changed();
    await world.advance(5_000);
    expect(process.batcher.health()).toBeUndefined();
    const other = await world.topic.open().joinGroup('trailpush-batcher', () => undefined);
    await world.advance(1_000);
    await other.leave();
    await world.advance(30_000);
    expect(process.batcher.health()).toMatch(
      /^partition \d cannot be claimed: jobs are missing from the store without a record/,
    );
    world.stores.vanished.delete(job.id);
    await world.advance(5_000);
    expect(process.batcher.health()).toBeUndefined();
  });

  it('only when there is a record of it: one that vanishes is served on, and said so', async () => {
    world = new BatcherWorld();
    const jobs = [world.createJob({ place: 'one' }), world.createJob({ place: 'two' })];
    await world.start();
    world.produce('acme', 3);
    await world.advance(5_000);
    for (const { id } of jobs) world.stores.vanished.add(id);
    world.stores.changed();
    await world.advance(5_000);
    world.produce('acme', 3);
    await world.advance(40_000);
    expect(world.faults(jobs[0]!.id, 'one')).toEqual([]);
    expect(world.faults(jobs[1]!.id, 'two')).toEqual([]);
    const errors = world.logged.lines.filter(({ level }) => level === 'error');
    expect(errors.map(({ message }) => message)).toContain(
      'a job vanished without a deletion record; it is served on as it was',
    );
  });
});

describe('a job that is given another place', () => {
  it('takes the plans along that the old place refuses', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ place: 'old/a', maxUploadRecords: 5 });
    await world.start();
    bucket('old').answer = () => REFUSED;
    world.produce('acme', 40);
    await world.advance(60_000);
    world.updateJob(job.id, { place: 'new/b' });
    await world.advance(60_000);
    expect(bucket('old').objects.size).toBe(0);
    expect(world.faults(job.id, 'new')).toEqual([]);
    for (const key of bucket('new').objects.keys()) expect(key).toMatch(/^b\//);
  });

  it('in every moment of a delivery never puts an object where its plan does not say', async () => {
    for (const afterMs of [0, 300, 900, 1_000, 1_100, 1_900, 2_500, 4_000]) {
      world = new BatcherWorld();
      const job = world.createJob({ place: 'old', maxUploadRecords: 2 });
      const process = await world.start();
      process.faults.latencyMs = () => 130;
      bucket('old').latencyMs = () => 400;
      bucket('old').answer = () => 'deliver unseen';
      world.produce('acme', 20);
      await world.advance(afterMs);
      world.updateJob(job.id, { place: 'new' });
      await world.advance(60_000);
      expect([
        ...world.violations(),
        ...world.faultsEverywhere(job.id, { isOwed: all, isAllowed: all }),
      ]).toEqual([]);
      world.close();
    }
  });

  it('is tried at once with a repaired credential', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ place: 'bucket', maxUploadRecords: 5 });
    await world.start();
    bucket().answer = () => REFUSED;
    world.produce('acme', 5);
    world.produce('acme', 1);
    await world.advance(3_600_000);
    bucket().answer = () => 'deliver';
    world.updateJob(job.id, { name: 'with a new credential' });
    await world.advance(5_000);
    expect(bucket().objects.size).toBeGreaterThan(0);
  });
});

describe('a job that this process cannot serve', () => {
  it('keeps its place, and everything arrives when it can be served again', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    const other = world.createJob({ place: 'other', maxUploadIntervalSeconds: 5 });
    const before = await world.start();
    world.produce('acme', 3);
    await world.advance(20_000);
    await before.stop();
    world.produce('acme', 3);
    world.places.unopenable.add('bucket');
    const unable = await world.start();
    world.produce('acme', 3);
    await world.advance(20_000);
    expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toContain('cannot be opened');
    await unable.stop();
    world.places.unopenable.clear();
    await world.start();
    await world.advance(20_000);
    expect(world.faults(job.id)).toEqual([]);
    expect(world.faults(other.id, 'other')).toEqual([]);
  });
});
