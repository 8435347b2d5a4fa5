import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';
import type { CallFate } from '@trailpush/test/kit/store-faults.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const TOPIC = 'audit.events';

/** A while of traffic for two jobs, one of which has a destination that stumbles. */
async function traffic(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    world.produce('acme', 4);
    world.produce('beta', 1);
    await world.advance(1_600);
  }
  await world.advance(6_000);
}

function prepare() {
  world = new BatcherWorld({ maxReadRecords: 6 });
  const jobs = [
    world.createJob({ place: 'one', maxUploadRecords: 3, maxUploadIntervalSeconds: 4 }),
    world.createJob({ place: 'two', maxUploadRecords: 5, maxUploadIntervalSeconds: 2 }),
  ];
  world.places.at('one').latencyMs = () => 300;
  world.places.at('two').answer = ({ number }) => (number === 2 ? 'deliver unseen' : 'deliver');
  return jobs;
}

async function countStoreCalls(): Promise<number> {
  prepare();
  const process = await world.start();
  await traffic();
  world.close();
  return process.faults.calls;
}

describe('a batcher that is killed', () => {
  it.each<CallFate>(['hang before', 'hang after'])(
    'at any call of a store (%s it took effect) loses nothing and sends nothing twice under two names',
    async (fate) => {
      const calls = await countStoreCalls();
      expect(calls).toBeGreaterThan(20);
      for (let at = 1; at <= calls; at++) {
        const jobs = prepare();
        const process = world.newProcess();
        process.faults.fateOf = ({ number }) => (number === at ? fate : 'answer');
        process.faults.onHang = () => process.kill();
        void process.batcher.start();
        await traffic();
        expect(process.alive).toBe(false);
        await world.start();
        await world.advance(20_000);
        const faults = [...world.faults(jobs[0]!.id, 'one'), ...world.faults(jobs[1]!.id, 'two')];
        expect([...faults, ...world.violations()], `killed at call ${at}`).toEqual([]);
        world.close();
      }
    },
  );

  it('in the middle of a put sends the same object under the same key again', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5 });
    const bucket = world.places.at('bucket');
    bucket.latencyMs = () => 3_000;
    const first = await world.start();
    world.produce('acme', 21);
    await world.advance(1_000);
    expect(bucket.underWay).toBe(4);
    first.kill();
    await world.start();
    await world.advance(10_000);
    const keys = bucket.attempts.map(({ key }) => key);
    expect(keys).toHaveLength(8);
    expect(new Set(keys).size).toBe(4);
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
  });

  it('finishes plans under the content that they were made with', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 6 });
    const bucket = world.places.at('bucket');
    bucket.answer = () => ({ verdict: { kind: 'retry' }, message: 'HTTP 503' });
    const first = await world.start();
    for (let i = 0; i < 5; i++) {
      world.produce('acme', 2, { actionType: 'view' });
      world.produce('acme', 1, { actionType: 'delete' });
    }
    await world.advance(2_000);
    const plans = world.stores.partition(TOPIC, 0)?.plans.get(job.id) ?? [];
    expect(plans.map(({ first, last }) => [first, last])).toEqual([
      [0, 5],
      [6, 11],
    ]);
    first.kill();
    world.updateJob(job.id, {
      filter: '{"where":{"key":"ActionType","operator":"eq","value":"delete"}}',
    });
    bucket.answer = () => 'deliver';
    await world.start();
    await world.advance(60_000);
    // Up to the last plan everything, and from the first unplanned offset on only deletions.
    expect(world.delivered(job.id)).toEqual(
      [...world.produced.slice(0, 12), world.produced[14]].map((of) => of?.id),
    );
    const kept = [...bucket.objects.values()].map(({ key, payloadHash }) => [key, payloadHash]);
    expect(kept).toEqual(expect.arrayContaining(plans.map((plan) => [plan.key, plan.payloadHash])));
  });

  it('makes a new payload under the same key when another encoder had made the plan', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5 });
    const bucket = world.places.at('bucket');
    bucket.latencyMs = () => 60_000;
    const first = await world.start();
    world.produce('acme', 6);
    await world.advance(1_000);
    first.kill();
    const { plans } = world.stores.partition(TOPIC, 0)!;
    const [plan] = plans.get(job.id)!;
    plans.set(job.id, [{ ...plan!, encoderVersion: 0, payloadHash: 'of an older encoder' }]);
    bucket.attempts.length = 0;
    bucket.latencyMs = () => 0;
    await world.start();
    await world.advance(40_000);
    expect(bucket.objects.get(plan!.key)?.payloadHash).toBe(plan!.payloadHash);
    expect(world.faults(job.id)).toEqual([]);
  });

  it('stops a job loudly when the same encoder makes another payload of a plan', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ place: 'one', maxUploadRecords: 5 });
    const other = world.createJob({ place: 'two', maxUploadRecords: 5 });
    world.places.at('one').latencyMs = () => 60_000;
    const first = await world.start();
    world.produce('acme', 6);
    await world.advance(1_000);
    first.kill();
    const { plans } = world.stores.partition(TOPIC, 0)!;
    const [plan] = plans.get(job.id)!;
    plans.set(job.id, [{ ...plan!, payloadHash: 'damaged' }]);
    const attempts = world.places.at('one').attempts.length;
    await world.start();
    await world.advance(40_000);
    expect(world.places.at('one').attempts).toHaveLength(attempts);
    expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toMatch(
      /gave 5 records with hash/,
    );
    expect(world.faults(other.id, 'two')).toEqual([]);
  });
});

describe('a store', () => {
  it('that is away for a while stops acknowledging, and everything goes on after it', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5, maxUploadIntervalSeconds: 5 });
    const process = await world.start();
    world.produce('acme', 7);
    await world.advance(3_000);
    process.faults.unavailable = true;
    const puts = world.places.at('bucket').attempts.length;
    for (let i = 0; i < 60; i++) {
      world.produce('acme', 7);
      await world.advance(1_000);
    }
    expect(world.places.at('bucket').attempts).toHaveLength(puts);
    process.faults.unavailable = false;
    await world.until('all is delivered', () => world.faults(job.id).length === 0);
  });

  it('that loses every other answer makes no difference', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 3, maxUploadIntervalSeconds: 2 });
    const process = await world.start();
    process.faults.fateOf = ({ number }) => (number % 2 === 0 ? 'lose answer' : 'answer');
    for (let i = 0; i < 20; i++) {
      world.produce('acme', 4);
      await world.advance(2_000);
    }
    await world.until('all is delivered', () => world.faults(job.id).length === 0);
    await world.advance(10_000);
    expect(world.places.at('bucket').objects.size).toBe(world.stores.ledger.length);
  });

  it('that is away while jobs change is asked again until it answers', async () => {
    world = new BatcherWorld();
    world.createJob({ accountId: 'other' });
    const process = await world.start();
    process.faults.unavailable = true;
    const job = world.createJob();
    world.produce('acme', 3);
    await world.advance(10_000);
    process.faults.unavailable = false;
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
  });
});

describe('a partition that another process has claimed', () => {
  it('is given up by the first one, whose writes change nothing', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 4 });
    const bucket = world.places.at('bucket');
    bucket.latencyMs = () => 2_000;
    const zombie = await world.start();
    world.produce('acme', 10);
    await world.advance(500);
    const tell = world.topic.expel(zombie.log);
    await world.start();
    await world.until('the first one has noticed', () =>
      messages().includes('a partition was lost'),
    );
    tell();
    await world.advance(5_000);
    const epoch = world.stores.partition(TOPIC, 0)?.epoch;
    world.produce('acme', 10);
    await world.advance(60_000);
    expect(world.stores.partition(TOPIC, 0)?.epoch).toBe(epoch);
    expect(world.faults(job.id)).toEqual([]);
  });

  it('is fought for ever more slowly by a process that is never told', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    const zombie = await world.start();
    world.topic.expel(zombie.log);
    await world.start();
    for (let i = 0; i < 300; i++) {
      world.produce('acme', 1);
      await world.advance(1_000);
    }
    expect(world.stores.partition(TOPIC, 0)?.epoch).toBeLessThan(60);
    zombie.kill();
    await world.advance(60_000);
    expect(world.faults(job.id)).toEqual([]);
  });

  function messages(): string[] {
    return world.logged.lines.map(({ message }) => message);
  }
});
