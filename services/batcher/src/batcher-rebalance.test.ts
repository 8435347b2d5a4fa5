import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const TOPIC = 'audit.events';

function bucket(location = 'bucket') {
  return world.places.at(location);
}

describe('a rebalance', () => {
  it('that leaves a partition where it was keeps its epoch, batches and uploads', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5, maxUploadIntervalSeconds: 10 });
    await world.start();
    bucket().latencyMs = () => 5_000;
    world.produce('acme', 8);
    await world.advance(2_000);
    for (let i = 0; i < 5; i++) {
      world.topic.rebalance();
      await world.advance(400);
    }
    await world.advance(20_000);
    expect(world.stores.partition(TOPIC, 0)?.epoch).toBe(1);
    expect(bucket().attempts).toHaveLength(2);
    expect(world.faults(job.id)).toEqual([]);
  });

  it('moves partitions between processes without losing or repeating anything', async () => {
    world = new BatcherWorld({ partitions: 4 });
    const accounts = ['acme', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'];
    const jobs = accounts.map((accountId) =>
      world.createJob({ accountId, maxUploadRecords: 4, maxUploadIntervalSeconds: 4 }),
    );
    bucket().latencyMs = () => 700;
    const processes = [await world.start()];
    for (let round = 0; round < 24; round++) {
      for (const account of accounts) world.produce(account, 3);
      if (round % 6 === 2) processes.push(await world.start());
      if (round % 6 === 5) await processes.shift()?.stop();
      await world.advance(1_500);
    }
    await world.advance(30_000);
    for (const job of jobs) expect(world.faults(job.id)).toEqual([]);
  });

  it('during which a replay begins serves it, wherever the claim was when it began', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    const first = await world.start();
    world.produce('acme', 10);
    await world.advance(20_000);
    await first.stop();
    for (let afterMs = 0; afterMs < 1_500; afterMs += 100) {
      const process = world.newProcess();
      process.faults.answerMs = (name) => (name === 'claim' ? 500 : 0);
      void process.batcher.start();
      await world.advance(afterMs);
      const replay = world.startReplay(job.id, [{ partition: 0, from: 0, to: 10 }]);
      await world.advance(30_000);
      expect(world.replayed(replay), `begun after ${afterMs} ms`).toEqual(world.owed(job.id));
      await process.stop();
    }
  });

  it('back and forth in a moment leaves one claim of the partition', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    const process = await world.start();
    process.faults.latencyMs = () => 300;
    const other = world.topic.open();
    for (let i = 0; i < 5; i++) {
      world.produce('acme', 2);
      const membership = await other.joinGroup('trailpush-batcher', () => undefined);
      world.topic.rebalance();
      await world.advance(100);
      await membership.leave();
      await world.advance(100);
    }
    await world.advance(60_000);
    expect(world.faults(job.id)).toEqual([]);
    expect(process.log.openReaders).toBe(1);
  });
});
