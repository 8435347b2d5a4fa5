import type { Gap, Job, Plan } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { cursorOf, newClaim, newJob, newName, planOf, type Suite } from './suite.ts';

export function cutContract(suite: Suite): void {
  const progress = () => suite.stores().progress;
  const gapOf = (topic: string, job: Job, from: number, to: number): Gap => ({
    ...{ jobId: job.id, topic, partition: 0, from, to, reason: 'retention' },
    ...{ possiblyDelivered: true, seenAtMs: 1_700_000_000_000 },
  });
  /** A job with the open plans 0 to 9 and 10 to 19. */
  const newQueue = async () => {
    const claimed = await newClaim(suite);
    const job = await newJob(suite);
    const plans: [Plan, Plan] = [planOf(job, 0, 9), planOf(job, 10, 19)];
    for (const plan of plans) await progress().insertPlan(claimed, plan);
    return { claimed, job, plans };
  };

  describe('a cut plan', () => {
    it('keeps what the log still holds, and its gap is recorded', async () => {
      const { claimed, job, plans } = await newQueue();
      const gap = gapOf(claimed.topic, job, 0, 6);
      const plan = planOf(job, 6, 9, { payloadHash: 'cd'.repeat(32), records: 2 });
      expect(await progress().cutPlan(claimed, { gap, plan })).toEqual({
        ...{ result: 'cut', cursor: 6 },
      });
      expect(await progress().loadJob(claimed, job.id)).toMatchObject({
        cursor: cursorOf(job, 6),
        plans: [plan, plans[1]],
      });
      expect(await progress().listGaps(job.id)).toEqual([gap]);
      const confirmation = { jobId: job.id, first: 6, confirmedAtMs: 1 };
      expect(await progress().confirmPlan(claimed, confirmation)).toMatchObject({ cursor: 10 });
    });

    it('of which nothing is left goes, and the cursor moves behind it', async () => {
      const { claimed, job, plans } = await newQueue();
      for (const [from, to] of [
        [0, 10],
        [10, 17],
      ] as const) {
        const gap = gapOf(claimed.topic, job, from, to);
        expect(await progress().cutPlan(claimed, { gap, plan: undefined })).toEqual({
          ...{ result: 'cut', cursor: from + 10 },
        });
      }
      expect(await progress().loadJob(claimed, job.id)).toMatchObject({
        cursor: cursorOf(job, 20),
        plans: [],
      });
      expect(await progress().insertPlan(claimed, { ...plans[0], first: 20, last: 25 })).toBe(
        'inserted',
      );
    });

    it('lets those go that were only waiting for it', async () => {
      const { claimed, job, plans } = await newQueue();
      const third = planOf(job, 20, 24);
      await progress().insertPlan(claimed, third);
      await progress().confirmPlan(claimed, { jobId: job.id, first: 10, confirmedAtMs: 7 });
      const gap = gapOf(claimed.topic, job, 0, 10);
      expect(await progress().cutPlan(claimed, { gap, plan: undefined })).toEqual({
        ...{ result: 'cut', cursor: 20 },
      });
      expect(await progress().loadJob(claimed, job.id)).toMatchObject({
        cursor: cursorOf(job, 20),
        plans: [third],
      });
      const ledger = await progress().listLedger(job.id);
      expect(ledger).toMatchObject([{ key: plans[1].key, confirmedAtMs: 7 }]);
      const { status } = (await suite.stores().jobs.get(job.accountId, job.id))!;
      expect(status.lastCompleteMs).toBe(plans[1].maxTimestampMs);
    });

    it('is the first one, unconfirmed, and cut inside its range, or nothing is changed', async () => {
      const { claimed, job, plans } = await newQueue();
      const before = await progress().loadJob(claimed, job.id);
      const second = { jobId: job.id, first: 10, confirmedAtMs: 1 };
      const cut = async (from: number, to: number, plan?: Plan) => {
        const gap = gapOf(claimed.topic, job, from, to);
        return (await progress().cutPlan(claimed, { gap, plan })).result;
      };
      expect(await cut(10, 20)).toBe('conflict');
      expect(await cut(0, 11)).toBe('conflict');
      expect(await cut(0, 0)).toBe('conflict');
      expect(await cut(0, 5, planOf(job, 6, 9))).toBe('conflict');
      expect(await cut(0, 5, planOf(job, 5, 8))).toBe('conflict');
      expect(await cut(0, 5, planOf(job, 5, 9, { contentRevision: 2 }))).toBe('conflict');
      expect(await cut(0, 5, { ...plans[1], first: 5, last: 9 })).toBe('key_taken');
      const stale = { ...claimed, epoch: claimed.epoch - 1 };
      const gap = gapOf(claimed.topic, job, 0, 5);
      expect(await progress().cutPlan(stale, { gap, plan: undefined })).toEqual({
        result: 'stale',
      });
      expect(await progress().loadJob(claimed, job.id)).toEqual(before);
      expect(await progress().listGaps(job.id)).toEqual([]);
      await progress().confirmPlan(claimed, second);
      expect(await cut(0, 10)).toBe('cut');
      expect(await cut(0, 10)).toBe('conflict');
      const nobody = { id: 1_000_000_000 } as Job;
      const gapOfNobody = { gap: gapOf(newName('topic'), nobody, 0, 5), plan: undefined };
      expect(await progress().cutPlan(claimed, gapOfNobody)).toEqual({ result: 'conflict' });
    });
  });
}
