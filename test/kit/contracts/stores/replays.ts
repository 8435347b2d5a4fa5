import { Secret, type Job, type NewReplay } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { newClaim, newJob, newName, planOf, type Suite } from './suite.ts';

export function replayContract(suite: Suite): void {
  const { jobs, progress, replays } = {
    jobs: () => suite.stores().jobs,
    progress: () => suite.stores().progress,
    replays: () => suite.stores().replays,
  };
  const orderOf = (topic: string, changes: Partial<NewReplay> = {}): NewReplay => ({
    topic,
    ranges: [{ partition: 0, from: 10, to: 20 }],
    maxRecordsPerSecond: null,
    destinationConf: undefined,
    location: 's3://bucket',
    ...changes,
  });
  const start = async (job: Job, order: NewReplay) =>
    (await replays().start(job.accountId, job.id, order))!;
  const loaded = async (id: number) => (await jobs().loadAll()).jobs.find((job) => job.id === id);

  describe('a replay', () => {
    it('is a job of batchers alone while it runs, with a cursor at the start of each range', async () => {
      const { topic } = await newClaim(suite);
      const job = await newJob(suite);
      const ranges = [
        { partition: 0, from: 10, to: 20 },
        { partition: 3, from: 5, to: 6 },
      ];
      const replay = await start(job, orderOf(topic, { ranges, maxRecordsPerSecond: 50 }));
      expect(replay).toMatchObject({
        ...{ jobId: job.id, accountId: job.accountId, state: 'running', topic },
        ranges: ranges.map((range) => ({ ...range, cursor: range.from })),
        ...{ maxRecordsPerSecond: 50, location: 's3://bucket', endedAtMs: null },
        ...{ records: 0, objects: 0, payloadBytes: 0, errorMessage: null },
      });
      const { dataset, filter, outputOptions } = job.spec;
      expect(await loaded(replay.id)).toMatchObject({
        accountId: job.accountId,
        wasEnabled: true,
        replay: { ofJobId: job.id, topic, ranges, maxRecordsPerSecond: 50 },
        spec: { enabled: true, dataset, filter, outputOptions },
      });
      expect(await jobs().get(job.accountId, replay.id)).toBeUndefined();
      expect((await jobs().list(job.accountId)).map(({ id }) => id)).toEqual([job.id]);
      expect(await jobs().delete(job.accountId, replay.id)).toBeUndefined();
      const claimed = await newClaim(suite, { topic, partition: 3 });
      expect(claimed.cursors).toEqual([{ jobId: replay.id, cursor: 5, detached: true }]);
    });

    it("goes to the job's destination, or to its own", async () => {
      const { topic } = await newClaim(suite);
      const job = await newJob(suite, { enabled: false });
      const same = await start(job, orderOf(topic));
      const destinationConf = new Secret('https://example.com/?header_a=b');
      const other = await start(job, orderOf(topic, { destinationConf }));
      const confOf = async (id: number) => (await loaded(id))?.spec.destinationConf.reveal();
      expect(await confOf(same.id)).toBe(job.spec.destinationConf.reveal());
      expect(await confOf(other.id)).toBe(destinationConf.reveal());
    });

    it('is shown with what is delivered of it, to its account only', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const { id } = await start(job, orderOf(claimed.topic));
      const asJob = { ...job, id };
      await progress().insertPlan(claimed, planOf(asJob, 10, 14, { payloadBytes: 70 }));
      await progress().insertPlan(claimed, planOf(asJob, 15, 17));
      await progress().confirmPlan(claimed, { jobId: id, first: 10, confirmedAtMs: 5 });
      await progress().recordFailure(id, { atMs: 6, message: 'closed for today' });
      const shown = await replays().get(job.accountId, job.id, id);
      expect(shown).toMatchObject({
        ranges: [{ partition: 0, from: 10, to: 20, cursor: 15 }],
        ...{ records: 5, objects: 1, payloadBytes: 70, errorMessage: 'closed for today' },
      });
      expect(await replays().list(job.accountId, job.id, 10)).toEqual([shown]);
      const stranger = newName('account');
      expect(await replays().get(stranger, job.id, id)).toBeUndefined();
      expect(await replays().list(stranger, job.id, 10)).toEqual([]);
      expect(await replays().cancel(stranger, job.id, id)).toBeUndefined();
      expect(await replays().start(stranger, job.id, orderOf(claimed.topic))).toBeUndefined();
      expect(await replays().get(job.accountId, job.id + 1, id)).toBeUndefined();
    });

    it('is completed when each range lies below its cursor, and no job after that', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const ranges = [
        { partition: 0, from: 10, to: 20 },
        { partition: 1, from: 0, to: 4 },
      ];
      const { id } = await start(job, orderOf(claimed.topic, { ranges }));
      const asJob = { ...job, id };
      await progress().insertPlan(claimed, planOf(asJob, 10, 19));
      expect(await progress().settleReplay(id)).toBe(false);
      await progress().confirmPlan(claimed, { jobId: id, first: 10, confirmedAtMs: 5 });
      expect(await progress().settleReplay(id)).toBe(false);
      const second = await newClaim(suite, { topic: claimed.topic, partition: 1 });
      await progress().pin(second, {
        ...{ liveFrom: 0, lastRead: null, idleJobIds: [] },
        cursors: [{ jobId: id, cursor: 4, detached: true }],
      });
      const { version } = await jobs().loadAll();
      expect(await progress().settleReplay(id)).toBe(true);
      expect(await progress().settleReplay(id)).toBe(false);
      expect((await jobs().loadAll()).version).toBeGreaterThan(version);
      expect(await replays().get(job.accountId, job.id, id)).toMatchObject({
        ...{ state: 'completed', records: 10, objects: 1 },
        ranges: ranges.map((range) => ({ ...range, cursor: range.to })),
        endedAtMs: expect.any(Number) as number,
      });
      expect(await loaded(id)).toBeUndefined();
      expect(await jobs().deletedAmong([id, job.id])).toEqual(new Set([id]));
      // What a batcher still believes of it is nobody's any more.
      expect(await progress().insertPlan(claimed, planOf(asJob, 20, 21))).toBe('conflict');
      expect((await jobs().get(job.accountId, job.id))?.revision).toBe(1);
    });

    it('can be cancelled once, where it stands', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const { id } = await start(job, orderOf(claimed.topic));
      const asJob = { ...job, id };
      await progress().insertPlan(claimed, planOf(asJob, 10, 11));
      await progress().confirmPlan(claimed, { jobId: id, first: 10, confirmedAtMs: 5 });
      await progress().insertPlan(claimed, planOf(asJob, 12, 13));
      const cancelled = await replays().cancel(job.accountId, job.id, id);
      expect(cancelled).toMatchObject({
        ...{ state: 'cancelled', records: 2, objects: 1 },
        ranges: [{ partition: 0, from: 10, to: 20, cursor: 12 }],
      });
      expect(await replays().cancel(job.accountId, job.id, id)).toEqual(cancelled);
      expect(await loaded(id)).toBeUndefined();
      const again = { jobId: id, first: 12, confirmedAtMs: 6 };
      expect(await progress().confirmPlan(claimed, again)).toEqual({ result: 'conflict' });
      expect(await progress().settleReplay(id)).toBe(false);
    });

    it('is cancelled with its job', async () => {
      const { topic } = await newClaim(suite);
      const job = await newJob(suite);
      const { id } = await start(job, orderOf(topic));
      await jobs().delete(job.accountId, job.id);
      expect(await loaded(id)).toBeUndefined();
      expect(await replays().get(job.accountId, job.id, id)).toMatchObject({ state: 'cancelled' });
    });

    it('of nothing is completed at once', async () => {
      const job = await newJob(suite);
      const replay = await start(job, orderOf(newName('topic'), { ranges: [] }));
      expect(replay).toMatchObject({ state: 'completed', records: 0 });
    });
  });
}
