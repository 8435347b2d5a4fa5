import type { ClaimedPartition, ConfirmPlanResult, Job } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { cursorOf, newClaim, newJob, planOf, type Suite } from './suite.ts';

export function confirmContract(suite: Suite): void {
  const progress = () => suite.stores().progress;
  /** Plans of five offsets each, the first at 0. */
  const planned = async (claimed: ClaimedPartition, job: Job, count: number): Promise<void> => {
    for (let first = 0; first < count * 5; first += 5) {
      await progress().insertPlan(claimed, planOf(job, first, first + 4));
    }
  };
  const confirm = (
    claimed: ClaimedPartition,
    job: Job,
    first: number,
    confirmedAtMs = 1,
  ): Promise<ConfirmPlanResult> =>
    progress().confirmPlan(claimed, { jobId: job.id, first, confirmedAtMs });
  const confirmed = (cursor: number) => ({ result: 'confirmed', cursor });
  const statusOf = async (job: Job) =>
    (await suite.stores().jobs.get(job.accountId, job.id))?.status;

  describe('a confirmed plan', () => {
    it('waits for those before it, and then leaves with them', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await planned(claimed, job, 4);
      expect(await confirm(claimed, job, 10, 100)).toEqual(confirmed(0));
      expect(await confirm(claimed, job, 5, 200)).toEqual(confirmed(0));
      expect(await progress().listLedger(job.id)).toEqual([]);
      expect((await statusOf(job))?.lastCompleteMs).toBeNull();
      expect(await confirm(claimed, job, 0, 300)).toEqual(confirmed(15));
      const ledger = await progress().listLedger(job.id);
      expect(ledger.map(({ first, confirmedAtMs }) => [first, confirmedAtMs])).toEqual([
        [0, 300],
        [5, 200],
        [10, 100],
      ]);
      expect(await progress().loadJob(claimed, job.id)).toMatchObject({
        cursor: cursorOf(job, 15),
        plans: [{ first: 15, confirmed: false }],
      });
      expect((await statusOf(job))?.lastCompleteMs).toBe(1_000_014);
    });

    it('is found in the ledger as it was planned', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const plan = planOf(job, 3, 9);
      await progress().insertPlan(claimed, plan);
      await confirm(claimed, job, 3, 77);
      const { jobId, partition, first, last, location, key, payloadHash } = plan;
      const { records, payloadBytes, maxTimestampMs } = plan;
      expect(await progress().listLedger(job.id)).toEqual([
        {
          ...{ jobId, topic: claimed.topic, partition, first, last, location, key, payloadHash },
          ...{ records, payloadBytes, maxTimestampMs, confirmedAtMs: 77 },
        },
      ]);
    });

    it('may be confirmed in any order at the same moment', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await planned(claimed, job, 4);
      const results = await Promise.all(
        [15, 5, 0, 10].map((first) => confirm(claimed, job, first)),
      );
      expect(results.map(({ result }) => result)).toEqual(Array(4).fill('confirmed'));
      expect(results).toContainEqual(confirmed(20));
      expect(await progress().loadJob(claimed, job.id)).toMatchObject({
        cursor: cursorOf(job, 20),
        plans: [],
      });
      expect((await progress().listLedger(job.id)).map(({ first }) => first)).toEqual([
        0, 5, 10, 15,
      ]);
    });

    it('may be confirmed again, also after it has left', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await planned(claimed, job, 2);
      expect(await confirm(claimed, job, 5, 10)).toEqual(confirmed(0));
      expect(await confirm(claimed, job, 5, 20)).toEqual(confirmed(0));
      expect(await confirm(claimed, job, 0)).toEqual(confirmed(10));
      expect(await confirm(claimed, job, 0)).toEqual(confirmed(10));
      expect(await confirm(claimed, job, 5)).toEqual(confirmed(10));
      await progress().pin(claimed, {
        liveFrom: 30,
        lastRead: null,
        cursors: [],
        idleJobIds: [job.id],
      });
      expect(await confirm(claimed, job, 5)).toEqual(confirmed(30));
      const page = { limit: 1, offset: 1 };
      expect(await progress().listLedger(job.id, page)).toEqual(
        (await progress().listLedger(job.id)).slice(1, 2),
      );
      expect((await progress().listLedger(job.id)).map((entry) => entry.confirmedAtMs)).toEqual([
        1, 10,
      ]);
    });

    it('was planned before', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await planned(claimed, job, 1);
      for (const first of [1, 5]) {
        expect(await confirm(claimed, job, first)).toEqual({ result: 'conflict' });
      }
      await confirm(claimed, job, 0);
      await progress().pin(claimed, {
        liveFrom: 0,
        lastRead: null,
        cursors: [cursorOf(job, 50)],
        idleJobIds: [],
      });
      expect(await confirm(claimed, job, 5)).toEqual({ result: 'conflict' });
    });

    it('ends the error of its job, and never moves last_complete backwards', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await progress().insertPlan(claimed, planOf(job, 0, 4, { maxTimestampMs: 900 }));
      await progress().insertPlan(claimed, planOf(job, 5, 9, { maxTimestampMs: 400 }));
      await confirm(claimed, job, 0);
      await progress().recordFailure(job.id, { atMs: 950, message: 'the bucket does not exist' });
      expect(await statusOf(job)).toEqual({
        lastCompleteMs: 900,
        lastErrorMs: 950,
        errorMessage: 'the bucket does not exist',
      });
      await confirm(claimed, job, 5);
      expect(await statusOf(job)).toEqual({
        lastCompleteMs: 900,
        lastErrorMs: null,
        errorMessage: null,
      });
    });
  });
}
