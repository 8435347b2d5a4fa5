import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';
import type { Attempt } from '@trailpush/test/kit/scripted-destination.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const TOPIC = 'audit.events';
const RETRY = { verdict: { kind: 'retry' }, message: 'HTTP 503' } as const;

function bucket(location = 'bucket') {
  return world.places.at(location);
}

function messages(): string[] {
  return world.logged.lines.map(({ message }) => message);
}

describe('a log that has lost records to retention', () => {
  it('before a job read them is a gap of that job alone, and delivery goes on behind it', async () => {
    world = new BatcherWorld({ maxReadRecords: 10 });
    const behind = world.createJob({ place: 'down', maxUploadRecords: 5 });
    const other = world.createJob({ place: 'up', maxUploadRecords: 5 });
    await world.start();
    bucket('down').answer = () => RETRY;
    world.produce('acme', 100);
    await world.advance(20_000);
    world.topic.trim(0, 60);
    bucket('down').answer = () => 'deliver';
    await world.advance(400_000);
    const [gap] = world.stores.gaps;
    expect(world.stores.gaps).toHaveLength(1);
    expect(gap).toMatchObject({ jobId: behind.id, to: 60, possiblyDelivered: false });
    const lost = world.produced.slice(gap!.from, gap!.to).map(({ id }) => `${id} is missing`);
    expect(world.faults(behind.id, 'down')).toEqual(lost);
    expect(world.faults(other.id, 'up')).toEqual([]);
    expect(messages()).toContain('the log lost offsets before the job had read them');
  });

  it('while all processes were down is a gap of every job', async () => {
    world = new BatcherWorld();
    const jobs = [world.createJob({ place: 'one' }), world.createJob({ place: 'two' })];
    const first = await world.start();
    world.produce('acme', 10);
    await world.advance(40_000);
    await first.stop();
    world.produce('acme', 20);
    world.topic.trim(0, 25);
    await world.start();
    world.produce('acme', 5);
    await world.advance(40_000);
    expect(world.stores.gaps.map(({ jobId, from, to }) => [jobId, from, to])).toEqual([
      [jobs[0]!.id, 10, 25],
      [jobs[1]!.id, 10, 25],
    ]);
    const lost = world.produced.slice(10, 25).map(({ id }) => `${id} is missing`);
    expect(world.faults(jobs[0]!.id, 'one')).toEqual(lost);
    expect(world.faults(jobs[1]!.id, 'two')).toEqual(lost);
  });

  it('does not cost what a job that is behind has read, and not yet sent', async () => {
    world = new BatcherWorld({ maxReadRecords: 6 });
    const job = world.createJob({ enabled: false, maxUploadIntervalSeconds: 30 });
    world.updateJob(job.id, { enabled: true });
    world.updateJob(job.id, { enabled: false });
    await world.start();
    world.produce('acme', 6);
    await world.advance(5_000);
    world.produce('acme', 24);
    await world.advance(5_000);
    // The lane reads six, and finds the next ones gone when it comes back for them.
    world.topic.beforeRead = ({ position }) => {
      if (position === 6) world.topic.trim(0, 20);
    };
    world.updateJob(job.id, { enabled: true });
    await world.advance(60_000);
    const lost = world.produced.slice(6, 20).map(({ id }) => `${id} is missing`);
    expect(world.faults(job.id)).toEqual(lost);
    expect(world.stores.gaps.map(({ from, to }) => [from, to])).toEqual([[6, 20]]);
  });

  it('does not cost what was read before and is still in memory', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 20 });
    await world.start();
    world.produce('acme', 10);
    await world.advance(5_000);
    world.topic.unavailable = true;
    world.produce('acme', 10);
    world.topic.trim(0, 15);
    await world.advance(2_000);
    world.topic.unavailable = false;
    await world.advance(60_000);
    expect(world.stores.gaps.map(({ from, to }) => [from, to])).toEqual([[10, 15]]);
    expect(world.faults(job.id)).toEqual(
      ['e10', 'e11', 'e12', 'e13', 'e14'].map((id) => `${id} is missing`),
    );
  });
});

describe('an open plan whose records the log has lost', () => {
  it('keeps what was read behind it, and waits for a free plan', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5 });
    bucket().latencyMs = () => 30_000;
    await world.start();
    world.produce('acme', 23);
    await world.advance(2_000);
    expect(bucket().underWay).toBe(4);
    world.topic.unavailable = true;
    world.produce('acme', 7);
    world.topic.trim(0, 28);
    await world.advance(2_000);
    world.topic.unavailable = false;
    await world.advance(120_000);
    expect(gaps()).toEqual([[23, 28, false]]);
    expect(world.faults(job.id)).toEqual(missing(23, 24, 25, 26, 27));
  });

  /** A job with the open plans 0 to 4, 5 to 9, 10 to 14 and 15 to 19, none of which has arrived. */
  async function prepare() {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5, maxUploadIntervalSeconds: 5 });
    bucket().latencyMs = () => 3_600_000;
    const first = await world.start();
    world.produce('acme', 30);
    await world.advance(2_000);
    expect(bucket().underWay).toBe(4);
    return { job, first };
  }
  const missing = (...offsets: number[]) => offsets.map((offset) => `e${offset} is missing`);
  const gaps = () =>
    world.stores.gaps.map(({ from, to, possiblyDelivered }) => [from, to, possiblyDelivered]);

  it('is put all the same while its body is held', async () => {
    const { job } = await prepare();
    world.topic.trim(0, 28);
    bucket().latencyMs = () => 0;
    world.updateJob(job.id, { place: 'new' });
    await world.advance(60_000);
    // The batch behind the plans, 20 to 24, was held too, and waited for one of them to end.
    expect(world.faults(job.id, 'new')).toEqual(missing(25, 26, 27));
    expect(gaps()).toEqual([[25, 28, false]]);
  });

  it('goes on as what is left of it, and what is lost is a gap that may have been delivered', async () => {
    const { job, first } = await prepare();
    first.kill();
    world.topic.trim(0, 13);
    bucket().latencyMs = () => 0;
    await world.start();
    await world.advance(60_000);
    expect(world.faults(job.id)).toEqual(missing(...Array.from({ length: 13 }, (_, i) => i)));
    expect(gaps()).toEqual([
      [0, 5, true],
      [5, 10, true],
      [10, 13, true],
    ]);
    const ranges = world.stores.ledger.map(({ first: from, last }) => [from, last]);
    expect(ranges.slice(0, 2)).toEqual([
      [13, 14],
      [15, 19],
    ]);
    expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toBeNull();
  });

  it('is gone when nothing of it is left, and the job goes on behind it', async () => {
    const { job, first } = await prepare();
    first.kill();
    world.topic.trim(0, 27);
    bucket().latencyMs = () => 0;
    await world.start();
    await world.advance(60_000);
    expect(world.faults(job.id)).toEqual(missing(...Array.from({ length: 27 }, (_, i) => i)));
    expect(gaps()).toEqual([
      [0, 5, true],
      [5, 10, true],
      [10, 15, true],
      [15, 20, true],
      [20, 27, false],
    ]);
  });

  it('does not take the turn of a refused one that it is behind', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 1, maxUploadIntervalSeconds: 5 });
    world.createJob({ accountId: 'beta', place: 'elsewhere', maxUploadIntervalSeconds: 5 });
    const isPoisoned = ({ lines }: Attempt) => lines[0]?.['ActionType'] === 'poison';
    const refused = { verdict: { kind: 'rejected' }, message: 'error 400: bad line' } as const;
    const away = { verdict: { kind: 'retry' }, message: 'HTTP 503' } as const;
    bucket().answer = (attempt) => (isPoisoned(attempt) ? refused : away);
    bucket().latencyMs = (attempt) => (isPoisoned(attempt) ? 20_000 : 0);
    world.places.at('elsewhere').latencyMs = () => 3_600_000;
    await world.start({ memoryBudgetBytes: 96 * 1024 });
    world.produce('acme', 1, { actionType: 'poison' });
    world.produce('acme', 3);
    await world.advance(10_000);
    // While the first one is on its way, the others' bodies give way to another job.
    world.produce('beta', 12, { bodyChars: 7_000 });
    await world.advance(6_000);
    world.topic.trim(0, 4);
    bucket().answer = (attempt) => (isPoisoned(attempt) ? refused : 'deliver');
    await world.advance(300_000);
    world.produce('acme', 1);
    await world.advance(600_000);
    expect(world.faults(job.id)).toEqual(missing(0, 1, 2, 3));
    expect(gaps().map(([from, to]) => [from, to])).toEqual([0, 1, 2, 3].map((at) => [at, at + 1]));
    expect(world.cursor(job.id) ?? 17).toBe(17);
  });

  it('whose rest matches nothing leaves no object', async () => {
    world = new BatcherWorld();
    const filter = '{"where":{"key":"ActionType","operator":"eq","value":"delete"}}';
    const job = world.createJob({ filter, maxUploadIntervalSeconds: 5 });
    bucket().latencyMs = () => 3_600_000;
    const first = await world.start();
    world.produce('acme', 1, { actionType: 'delete' });
    world.produce('acme', 3, { actionType: 'view' });
    await world.advance(8_000);
    expect(bucket().underWay).toBe(1);
    first.kill();
    world.topic.trim(0, 2);
    bucket().latencyMs = () => 0;
    await world.start();
    const [after] = world.produce('acme', 1, { actionType: 'delete' });
    await world.advance(30_000);
    expect(world.delivered(job.id)).toEqual([after!.id]);
    expect(gaps()).toEqual([[0, 2, true]]);
  });
});

describe('a topic that was cut or made anew', () => {
  it('stops the partition instead of giving old names to new events', async () => {
    world = new BatcherWorld();
    world.createJob({ maxUploadIntervalSeconds: 5 });
    const first = await world.start();
    world.produce('acme', 20);
    await world.advance(20_000);
    await first.stop();
    world.topic.truncate(0, 0);
    world.produce('acme', 30);
    const objects = bucket().objects.size;
    const process = await world.start();
    await world.advance(30_000);
    expect(bucket().objects.size).toBe(objects);
    expect(process.batcher.health()).toMatch(/partition 0 is stopped: offset 19 is another record/);
  });

  it('and filled up to where it was read before the next read is noticed while it is read', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    const process = await world.start();
    world.produce('acme', 20);
    await world.advance(20_000);
    world.topic.truncate(0, 0);
    world.produce('acme', 20);
    const unseen = world.produce('acme', 10).map(({ id }) => id);
    await world.advance(20_000);
    expect(process.batcher.health()).toMatch(/partition 0 is stopped: offset 19 is another record/);
    // Nor does it begin again by itself, or in another process.
    await world.advance(180_000);
    expect(process.batcher.health()).toMatch(/partition 0 is stopped/);
    await process.stop();
    const other = await world.start();
    await world.advance(20_000);
    expect(other.batcher.health()).toMatch(/partition 0 is stopped: offset 29 is another record/);
    await world.stores.open().topics.accept(TOPIC, [{ partition: 0, from: 20 }]);
    await world.advance(120_000);
    expect(other.batcher.health()).toBeUndefined();
    expect(world.delivered(job.id)).toEqual(expect.arrayContaining(unseen));
  });

  it('below the last record that was read is noticed too, also while it is read', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    const process = await world.start();
    world.produce('acme', 20);
    await world.advance(20_000);
    world.topic.truncate(0, 10);
    await world.advance(5_000);
    expect(process.batcher.health()).toMatch(/partition 0 is stopped/);
    // As an operator does.
    await world.stores.open().topics.accept(TOPIC, [{ partition: 0, from: 10 }]);
    await world.advance(120_000);
    expect(process.batcher.health()).toBeUndefined();
    const again = world.produce('acme', 3).map(({ id }) => id);
    await world.advance(20_000);
    expect(world.delivered(job.id)).toEqual(expect.arrayContaining(again));
  });
});
