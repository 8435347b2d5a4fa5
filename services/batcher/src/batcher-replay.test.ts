import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';
import { endReplay } from '@trailpush/test/kit/memory-replays.ts';
import { SeededRandom } from '@trailpush/test/kit/random.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const RETRY = { verdict: { kind: 'retry' }, message: 'HTTP 503' } as const;

function idsOf(from: number, to: number): string[] {
  return world.produced.slice(from, to).map(({ id }) => id);
}

function stateOf(replayId: number) {
  return world.stores.replays.get(replayId)?.state;
}

async function completed(replayId: number): Promise<void> {
  await world.until('the replay is completed', () => stateOf(replayId) === 'completed');
}

/** A job with 100 delivered events behind it. */
async function deliveredJob() {
  world = new BatcherWorld({ maxReadRecords: 7 });
  const job = world.createJob({ maxUploadRecords: 8 });
  const process = await world.start();
  world.produce('acme', 100);
  await world.advance(40_000);
  expect(world.faults(job.id)).toEqual([]);
  return { job, process };
}

describe('a replay', () => {
  it('delivers its range once more, in a folder and under keys of its own', async () => {
    const { job } = await deliveredJob();
    const id = world.startReplay(job.id, [{ partition: 0, from: 21, to: 60 }]);
    await completed(id);
    expect(world.replayed(id)).toEqual(idsOf(21, 60));
    const objects = [...world.places.at('bucket').objects.values()];
    const own = objects.filter(({ metadata }) => metadata.replayId === id);
    expect(own.length).toBeGreaterThan(3);
    for (const { idempotencyKey, metadata } of own) {
      expect(idempotencyKey).toMatch(new RegExp(`^replay-${id}-[0-9a-f]{32}$`));
      expect(metadata.jobId).toBe(job.id);
    }
    expect(world.faults(job.id)).toEqual([]);
    expect(world.stores.replays.get(id)).toMatchObject({ records: 39, objects: own.length });
    expect(world.logged.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('takes no part in what comes after its end, and the job misses nothing meanwhile', async () => {
    const { job } = await deliveredJob();
    const id = world.startReplay(job.id, [{ partition: 0, from: 0, to: 100 }], {
      maxRecordsPerSecond: 5,
    });
    for (let i = 0; i < 10; i++) {
      world.produce('acme', 10);
      await world.advance(1000);
    }
    expect(stateOf(id)).toBe('running');
    await completed(id);
    await world.advance(40_000);
    expect(world.replayed(id)).toEqual(idsOf(0, 100));
    expect(world.faults(job.id)).toEqual([]);
  });

  it('keeps its pace', async () => {
    const { job } = await deliveredJob();
    const id = world.startReplay(job.id, [{ partition: 0, from: 0, to: 100 }], {
      maxRecordsPerSecond: 5,
    });
    await world.advance(10_000);
    const early = world.replayed(id).length;
    expect(early).toBeGreaterThanOrEqual(24);
    expect(early).toBeLessThanOrEqual(55);
    await completed(id);
    expect(world.replayed(id)).toEqual(idsOf(0, 100));
  });

  it('goes on where it was after kills at any moment, and ends up there once', async () => {
    world = new BatcherWorld({ maxReadRecords: 7, partitions: 2 });
    const random = new SeededRandom(11).next;
    const job = world.createJob({ maxUploadRecords: 3 });
    let process = await world.start();
    world.produce('acme', 120);
    await world.advance(40_000);
    const [{ partition } = { partition: 0 }] = world.produced;
    const ranges = [0, 1].map((number) => ({ partition: number, from: 5, to: 90 }));
    world.places.at('bucket').latencyMs = () => Math.floor(random() * 900);
    world.places.at('bucket').answer = () => (random() < 0.2 ? 'deliver unseen' : 'deliver');
    // The other partition holds nothing up to there, so its range ends where the log does.
    const id = world.startReplay(
      job.id,
      ranges.filter((range) => range.partition === partition),
    );
    let kills = 0;
    while (stateOf(id) === 'running' && kills < 200) {
      await world.advance(Math.floor(random() * 2500));
      process.kill();
      kills++;
      process = await world.start();
    }
    await completed(id);
    expect(kills).toBeGreaterThan(3);
    expect(world.replayed(id)).toEqual(idsOf(5, 90));
    expect(world.faults(job.id)).toEqual([]);
  });

  it('that is started while its partition is being claimed delivers its range as well', async () => {
    const { job, process } = await deliveredJob();
    process.kill();
    const next = world.newProcess();
    let id: number | undefined;
    next.faults.fateOf = ({ name }) => {
      // After the claim, before the jobs are read.
      if (name === 'loadAll' && world.stores.partition('audit.events', 0)!.epoch > 1) {
        id ??= world.startReplay(job.id, [{ partition: 0, from: 21, to: 60 }]);
      }
      return 'answer';
    };
    await next.start();
    await world.until('the replay was started', () => id !== undefined);
    await completed(id!);
    expect(world.replayed(id!)).toEqual(idsOf(21, 60));
  });

  it('covers several partitions, and ends when the last one is done', async () => {
    world = new BatcherWorld({ partitions: 3 });
    const job = world.createJob();
    await world.start();
    world.produce('acme', 30);
    world.produce('other', 30);
    await world.advance(40_000);
    const ranges = world.topic
      .bounds()
      .filter(({ end }) => end > 0)
      .map(({ partition, end }) => ({ partition, from: 0, to: end }));
    const id = world.startReplay(job.id, ranges);
    await completed(id);
    expect(world.replayed(id)).toEqual(idsOf(0, 30));
  });

  it('to a place that fails costs nobody else anything, and is completed after healing', async () => {
    const { job } = await deliveredJob();
    world.places.at('other').answer = () => RETRY;
    const id = world.startReplay(job.id, [{ partition: 0, from: 0, to: 100 }], { place: 'other' });
    await world.advance(60_000);
    world.produce('acme', 20);
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
    expect(stateOf(id)).toBe('running');
    expect(world.stores.jobs.get(id)?.job.status.errorMessage).toBe('HTTP 503');
    world.places.at('other').answer = () => 'deliver';
    await world.until('it is completed', () => stateOf(id) === 'completed', {
      withinMs: 400_000,
    });
    expect(world.replayed(id, 'other')).toEqual(idsOf(0, 100));
  });

  it('that is cancelled sends nothing more, and the job goes on', async () => {
    const { job } = await deliveredJob();
    const id = world.startReplay(job.id, [{ partition: 0, from: 0, to: 100 }], {
      maxRecordsPerSecond: 5,
    });
    await world.advance(8000);
    endReplay(world.stores, id, 'cancelled');
    await world.advance(1000);
    const sent = world.replayed(id);
    expect(sent.length).toBeGreaterThan(0);
    world.produce('acme', 10);
    await world.advance(60_000);
    expect(world.replayed(id)).toEqual(sent);
    expect(world.faults(job.id)).toEqual([]);
    expect(world.stores.partition('audit.events', 0)?.cursors.has(id)).toBe(false);
  });

  it('of offsets that the log loses meanwhile has a gap, no longer than its range', async () => {
    const { job, process } = await deliveredJob();
    await process.stop();
    const id = world.startReplay(job.id, [{ partition: 0, from: 10, to: 40 }]);
    world.topic.trim(0, 70);
    await world.start();
    await completed(id);
    expect(world.replayed(id)).toEqual([]);
    expect(world.stores.gaps.map(({ jobId, from, to }) => [jobId, from, to])).toEqual([
      [id, 10, 40],
    ]);
  });

  it('does not keep a job that is nearly up to date waiting', async () => {
    world = new BatcherWorld({ maxReadRecords: 500 });
    world.createJob({ accountId: 'long', place: 'long' });
    const short = world.createJob({ accountId: 'short', place: 'short' });
    await world.start();
    world.produce('long', 25_000);
    await world.advance(40_000);
    const [long] = world.stores.jobs.keys();
    world.topic.readMs = 400;
    const id = world.startReplay(long!, [{ partition: 0, from: 0, to: 25_000 }], {
      place: 'archive',
    });
    world.updateJob(short.id, { enabled: false });
    await world.advance(1000);
    world.produce('short', 50);
    await world.advance(1000);
    world.updateJob(short.id, { enabled: true, maxUploadIntervalSeconds: 1 });
    await world.until('the short job is done', () => world.faults(short.id, 'short').length === 0, {
      withinMs: 5000,
    });
    expect(stateOf(id)).toBe('running');
    await completed(id);
    expect(world.replayed(id, 'archive')).toHaveLength(25_000);
  });
});
