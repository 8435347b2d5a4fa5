import type { ClaimedPartition, Plan } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { cursorOf, newClaim, newJob, newName, planOf, type Suite } from './suite.ts';

export function claimContract(suite: Suite): void {
  const progress = () => suite.stores().progress;

  describe('a claim', () => {
    it('makes a partition that begins at the start of the log', async () => {
      const topic = newName('topic');
      expect(await newClaim(suite, { topic, logStart: 17 })).toEqual({
        topic,
        partition: 0,
        epoch: 1,
        kept: false,
        liveFrom: 17,
        lastRead: null,
        incarnation: 1,
        cursors: [],
        plans: [],
      });
      expect(await newClaim(suite, { topic, logStart: 99 })).toMatchObject({
        epoch: 2,
        liveFrom: 17,
      });
    });

    it('keeps the epoch of an owner that still holds it, and raises it for everybody else', async () => {
      const topic = newName('topic');
      const claim = async (owner: string, heldEpoch: number | undefined) => {
        const { epoch, kept } = await progress().claim({
          topic,
          partition: 0,
          owner,
          heldEpoch,
          logStart: 0,
        });
        return { epoch, kept };
      };
      expect(await claim('a', undefined)).toEqual({ epoch: 1, kept: false });
      expect(await claim('a', 1)).toEqual({ epoch: 1, kept: true });
      expect(await claim('a', undefined)).toEqual({ epoch: 2, kept: false });
      expect(await claim('b', 2)).toEqual({ epoch: 3, kept: false });
      expect(await claim('a', 2)).toEqual({ epoch: 4, kept: false });
    });

    it('finds all that the owner before has stored', async () => {
      const topic = newName('topic');
      const claimed = await newClaim(suite, { topic });
      const [idle, busy] = [await newJob(suite), await newJob(suite)];
      const plans = [planOf(busy, 3, 5), planOf(busy, 6, 9)];
      for (const plan of plans) await progress().insertPlan(claimed, plan);
      await progress().confirmPlan(claimed, { jobId: busy.id, first: 6, confirmedAtMs: 1 });
      const lastRead = { offset: 41, timestampMs: 1_700_000_000_123 };
      await progress().pin(claimed, {
        liveFrom: 42,
        lastRead,
        cursors: [cursorOf(idle, 12, true)],
        idleJobIds: [],
      });
      expect(await newClaim(suite, { topic })).toMatchObject({
        epoch: 2,
        liveFrom: 42,
        lastRead,
        cursors: [cursorOf(idle, 12, true), cursorOf(busy, 3)],
        plans: [plans[0], { ...plans[1], confirmed: true }],
      });
    });

    it('is won by one of many at the same moment, each under an epoch of its own', async () => {
      const topic = newName('topic');
      const claims = await Promise.all(
        Array.from('abcdefgh', (owner) => newClaim(suite, { topic, owner })),
      );
      const epochs = claims.map(({ epoch }) => epoch).toSorted((a, b) => a - b);
      expect(epochs).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      const job = await newJob(suite);
      for (const claimed of claims) {
        const result = await progress().insertPlan(claimed, planOf(job, 0, 9));
        expect(result).toBe(claimed.epoch === 8 ? 'inserted' : 'stale');
      }
    });
  });
}

export function fenceContract(suite: Suite): void {
  const progress = () => suite.stores().progress;

  describe('an owner that lost its partition', () => {
    it('changes nothing', async () => {
      const topic = newName('topic');
      const job = await newJob(suite);
      const zombie = await newClaim(suite, { topic });
      const [first, second] = [planOf(job, 0, 4), planOf(job, 5, 9)];
      await progress().insertPlan(zombie, first);
      const owner = await newClaim(suite, { topic, owner: 'b' });
      const confirmation = { jobId: job.id, first: 0, confirmedAtMs: 1 };
      const gap = {
        jobId: job.id,
        topic,
        partition: 0,
        from: 0,
        to: 50,
        reason: 'retention',
        possiblyDelivered: false,
        seenAtMs: 1,
      };
      expect([
        await progress().insertPlan(zombie, second),
        await progress().confirmPlan(zombie, confirmation),
        await progress().replacePlan(zombie, { ...first, payloadHash: 'cd'.repeat(32) }),
        await progress().recordGap(zombie, gap),
        await progress().pin(zombie, {
          liveFrom: 99,
          lastRead: { offset: 98, timestampMs: 1 },
          cursors: [cursorOf(job, 99, true)],
          idleJobIds: [job.id],
        }),
      ]).toEqual(['stale', { result: 'stale' }, 'stale', false, false]);
      expect(await progress().claim({ ...owner, owner: 'b', heldEpoch: 2, logStart: 0 })).toEqual({
        ...owner,
        kept: true,
      });
      expect(await progress().listGaps(job.id)).toEqual([]);
    });

    it('stores nothing after the next one has looked', async () => {
      const topic = newName('topic');
      const job = await newJob(suite);
      const inserting = async (claimed: ClaimedPartition): Promise<Plan[]> => {
        const inserted: Plan[] = [];
        const first = (claimed.plans.at(-1)?.last ?? -1) + 1;
        while (inserted.length < 1000) {
          const offset = first + inserted.length;
          const plan = planOf(job, offset, offset);
          if ((await progress().insertPlan(claimed, plan)) !== 'inserted') return inserted;
          inserted.push(plan);
        }
        throw new Error('the next owner did not end this');
      };
      let running: Promise<Plan[]> = Promise.resolve([]);
      const planned: Plan[] = [];
      for (let round = 0; round < 6; round += 1) {
        const claimed = await newClaim(suite, { topic, owner: `owner ${round}` });
        // What the owner before has inserted by now is all that it ever will.
        planned.push(...(await running));
        expect(claimed.plans).toEqual(planned);
        running = inserting(claimed);
      }
      await newClaim(suite, { topic });
      await running;
    });
  });
}
