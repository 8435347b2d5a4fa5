import type { ClaimedPartition, Pin } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { cursorOf, newClaim, newJob, planOf, type Suite } from './suite.ts';

const MANY_JOBS = 400;

export function pinContract(suite: Suite): void {
  const progress = () => suite.stores().progress;
  const pin = (claimed: ClaimedPartition, changes: Partial<Pin>): Promise<boolean> =>
    progress().pin(claimed, {
      liveFrom: 0,
      lastRead: null,
      cursors: [],
      idleJobIds: [],
      ...changes,
    });
  const stored = async (claimed: ClaimedPartition) =>
    progress().claim({ ...claimed, owner: 'a', heldEpoch: claimed.epoch, logStart: 0 });

  describe('a pin', () => {
    it('moves cursors, live_from and the last read record forwards only', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const lastRead = { offset: 29, timestampMs: 5 };
      await pin(claimed, { liveFrom: 30, lastRead, cursors: [cursorOf(job, 20)] });
      await pin(claimed, {
        liveFrom: 10,
        lastRead: { offset: 9, timestampMs: 1 },
        cursors: [cursorOf(job, 5, true)],
      });
      expect(await stored(claimed)).toMatchObject({
        liveFrom: 30,
        lastRead,
        cursors: [cursorOf(job, 20, true)],
      });
      await pin(claimed, { liveFrom: 31, cursors: [cursorOf(job, 21)] });
      expect(await stored(claimed)).toMatchObject({
        liveFrom: 31,
        lastRead,
        cursors: [cursorOf(job, 21)],
      });
    });

    it('does not move a cursor past an open plan', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await progress().insertPlan(claimed, planOf(job, 3, 5));
      await pin(claimed, { liveFrom: 50, cursors: [cursorOf(job, 50, true)] });
      expect((await stored(claimed)).cursors).toEqual([cursorOf(job, 3, true)]);
    });

    it('does not undo a confirmation that it had not seen', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await progress().insertPlan(claimed, planOf(job, 3, 5));
      await progress().confirmPlan(claimed, { jobId: job.id, first: 3, confirmedAtMs: 1 });
      await pin(claimed, { liveFrom: 6, cursors: [cursorOf(job, 3)] });
      expect((await stored(claimed)).cursors).toEqual([cursorOf(job, 6)]);
    });

    it('drops the rows of jobs that owe nothing below live_from', async () => {
      const claimed = await newClaim(suite);
      const [idle, ahead, busy] = [await newJob(suite), await newJob(suite), await newJob(suite)];
      await progress().insertPlan(claimed, planOf(busy, 3, 5));
      await pin(claimed, { cursors: [cursorOf(idle, 10), cursorOf(ahead, 11)] });
      const idleJobIds = [idle.id, ahead.id, busy.id];
      await pin(claimed, { liveFrom: 10, idleJobIds });
      // Without its row, a job goes on at live_from: one that is beyond it would deliver twice.
      expect((await stored(claimed)).cursors).toEqual([cursorOf(ahead, 11), cursorOf(busy, 3)]);
      await pin(claimed, { liveFrom: 11, idleJobIds });
      expect((await stored(claimed)).cursors).toEqual([cursorOf(busy, 3)]);
    });

    it('passes over jobs that were deleted meanwhile', async () => {
      const claimed = await newClaim(suite);
      const [deleted, kept] = [await newJob(suite), await newJob(suite)];
      await suite.stores().jobs.delete(deleted.accountId, deleted.id);
      expect(await pin(claimed, { cursors: [cursorOf(deleted, 5), cursorOf(kept, 6)] })).toBe(true);
      expect((await stored(claimed)).cursors).toEqual([cursorOf(kept, 6)]);
    });

    it('survives the deletion of its jobs at the same moment', async () => {
      const claimed = await newClaim(suite);
      const jobs = await Promise.all(Array.from({ length: 12 }, () => newJob(suite)));
      const deletions = jobs
        .slice(0, 6)
        .map(({ accountId, id }) => suite.stores().jobs.delete(accountId, id));
      const pins = jobs.map((_, round) =>
        pin(claimed, { cursors: jobs.map((job) => cursorOf(job, round)) }),
      );
      await Promise.all([...deletions, ...pins]);
      const { cursors } = await stored(claimed);
      expect(new Set(cursors.map(({ jobId }) => jobId))).toEqual(
        new Set(jobs.slice(6).map(({ id }) => id)),
      );
    });

    it(`takes ${MANY_JOBS} cursors at once`, async () => {
      const claimed = await newClaim(suite);
      const jobs = await Promise.all(Array.from({ length: MANY_JOBS }, () => newJob(suite)));
      const cursors = jobs
        .map((job, index) => cursorOf(job, index, index % 2 === 0))
        .toSorted((a, b) => a.jobId - b.jobId);
      await pin(claimed, { liveFrom: MANY_JOBS, cursors });
      expect((await stored(claimed)).cursors).toEqual(cursors);
      await pin(claimed, { liveFrom: MANY_JOBS, idleJobIds: jobs.map(({ id }) => id) });
      expect((await stored(claimed)).cursors).toEqual([]);
    });
  });
}
