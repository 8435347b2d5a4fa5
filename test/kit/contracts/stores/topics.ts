import { describe, expect, it } from 'vitest';

import { cursorOf, newClaim, newJob, newName, planOf, type Suite } from './suite.ts';

export function topicContract(suite: Suite): void {
  const stores = () => suite.stores();

  describe('a topic', () => {
    it('is shown as it was read last', async () => {
      expect(await stores().topics.read(newName('topic'))).toBeUndefined();
      const claimed = await newClaim(suite, { logStart: 3 });
      const { topic } = claimed;
      const lastRead = { offset: 9, timestampMs: 700 };
      await stores().progress.pin(claimed, { liveFrom: 10, lastRead, cursors: [], idleJobIds: [] });
      await newClaim(suite, { topic, partition: 2 });
      expect(await stores().topics.read(topic)).toEqual({
        ...{ topic, incarnation: 1 },
        partitions: [
          { partition: 0, liveFrom: 10, lastRead },
          { partition: 2, liveFrom: 0, lastRead: null },
        ],
      });
    });

    it('that is accepted starts anew, and what was owed of the old one is a gap', async () => {
      const claimed = await newClaim(suite);
      const { topic } = claimed;
      const other = await newClaim(suite, { topic, partition: 1 });
      const [behind, planned, done] = [
        await newJob(suite),
        await newJob(suite),
        await newJob(suite),
      ];
      const { progress } = stores();
      await progress.pin(claimed, {
        ...{ liveFrom: 10, lastRead: { offset: 9, timestampMs: 700 }, idleJobIds: [] },
        cursors: [cursorOf(behind, 4, true), cursorOf(planned, 6), cursorOf(done, 10)],
      });
      await progress.insertPlan(claimed, planOf(planned, 6, 7));
      const order = { topic, ranges: [{ partition: 0, from: 0, to: 5 }], location: 'x' };
      const replay = (await stores().replays.start(done.accountId, done.id, {
        ...{ ...order, maxRecordsPerSecond: null, destinationConf: undefined },
      }))!;
      const accepted = await stores().topics.accept(topic, [{ partition: 0, from: 2 }]);
      expect(accepted).toEqual({ incarnation: 2, gaps: 2, droppedPlans: 1, cancelledReplays: 1 });
      const [gap] = await progress.listGaps(behind.id);
      expect(gap).toMatchObject({ topic, partition: 0, from: 4, to: 10, possiblyDelivered: false });
      const [maybe] = await progress.listGaps(planned.id);
      expect(maybe).toMatchObject({ from: 6, to: 10, possiblyDelivered: true });
      expect(await progress.listGaps(done.id)).toEqual([]);
      const job = await stores().jobs.get(behind.accountId, behind.id);
      expect(job?.status.errorMessage).toContain('made anew or cut');
      const shown = await stores().replays.get(done.accountId, done.id, replay.id);
      expect(shown?.state).toBe('cancelled');
      // The old owner is fenced, and the new one finds the new start.
      expect(await progress.insertPlan(claimed, planOf(behind, 4, 5))).toBe('stale');
      expect(await newClaim(suite, { topic, owner: 'b' })).toMatchObject({
        ...{ liveFrom: 2, lastRead: null, incarnation: 2, cursors: [], plans: [] },
      });
      const untouched = { topic, partition: 1, owner: 'a', heldEpoch: other.epoch, logStart: 0 };
      expect(await progress.claim(untouched)).toMatchObject({ kept: true, incarnation: 2 });
    });
  });
}
