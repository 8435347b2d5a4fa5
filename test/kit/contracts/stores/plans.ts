import type { Job, Plan } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { cursorOf, newClaim, newJob, planOf, type Suite } from './suite.ts';

export function insertContract(suite: Suite): void {
  const progress = () => suite.stores().progress;

  describe('a new plan', () => {
    it('of a job without a row begins at live_from or later, and makes the row', async () => {
      const claimed = await newClaim(suite, { logStart: 10 });
      const job = await newJob(suite);
      expect(await progress().insertPlan(claimed, planOf(job, 9, 12))).toBe('conflict');
      const plan = planOf(job, 12, 15);
      expect(await progress().insertPlan(claimed, plan)).toBe('inserted');
      expect(await progress().loadJob(claimed, job.id)).toEqual({
        cursor: cursorOf(job, 12),
        plans: [plan],
        liveFrom: 10,
      });
    });

    it('begins at the cursor, or where the plan before ends', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await progress().pin(claimed, {
        liveFrom: 0,
        lastRead: null,
        cursors: [cursorOf(job, 5, true)],
        idleJobIds: [],
      });
      const insert = (first: number, last: number) =>
        progress().insertPlan(claimed, planOf(job, first, last));
      expect(await insert(4, 9)).toBe('conflict');
      expect(await insert(6, 9)).toBe('conflict');
      expect(await insert(5, 9)).toBe('inserted');
      expect(await insert(9, 12)).toBe('conflict');
      expect(await insert(11, 12)).toBe('conflict');
      expect(await insert(10, 10)).toBe('inserted');
      expect(await insert(11, 12)).toBe('inserted');
      expect((await progress().loadJob(claimed, job.id)).cursor).toEqual(cursorOf(job, 5, true));
    });

    it('may be inserted again while it is open, and then still is one', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const plan = planOf(job, 0, 4);
      const results = await Promise.all([1, 2, 3].map(() => progress().insertPlan(claimed, plan)));
      expect(results).toEqual(['inserted', 'inserted', 'inserted']);
      expect((await progress().loadJob(claimed, job.id)).plans).toEqual([plan]);
      for (const other of [{ last: 5 }, { payloadHash: 'ef'.repeat(32) }, { contentRevision: 2 }]) {
        expect(await progress().insertPlan(claimed, { ...plan, ...other })).toBe('conflict');
      }
    });

    it('has a name that no open plan and nothing in the ledger has', async () => {
      const claimed = await newClaim(suite);
      const [one, two] = [await newJob(suite), await newJob(suite)];
      const plan = planOf(one, 0, 4);
      await progress().insertPlan(claimed, plan);
      const { location, key } = plan;
      const insert = (name: { location: string; key: string }) =>
        progress().insertPlan(claimed, planOf(two, 0, 4, name));
      expect(await insert({ location, key })).toBe('key_taken');
      await progress().confirmPlan(claimed, { jobId: one.id, first: 0, confirmedAtMs: 1 });
      expect(await insert({ location, key })).toBe('key_taken');
      expect(await progress().loadJob(claimed, two.id)).toMatchObject({ cursor: undefined });
      expect(await insert({ location: 's3://another', key })).toBe('inserted');
    });

    it('gets its own answer among many at the same moment', async () => {
      const claimed = await newClaim(suite);
      const jobs = await Promise.all(Array.from({ length: 12 }, () => newJob(suite)));
      const plans = jobs.map((job) => planOf(job, 0, 4));
      const [one, two, three] = plans as [Plan, Plan, Plan];
      await progress().insertPlan(claimed, one);
      plans[1] = { ...two, location: one.location, key: one.key };
      plans[2] = { ...three, jobId: 1_000_000_000 };
      const insert = (plan: Plan) => progress().insertPlan(claimed, plan);
      const results = await Promise.all(plans.map(insert));
      const odd = { 1: 'key_taken', 2: 'conflict' } as Record<number, string>;
      expect(results).toEqual(plans.map((_, index) => odd[index] ?? 'inserted'));
      const confirms = await Promise.all(
        jobs.map(({ id: jobId }) =>
          progress().confirmPlan(claimed, { jobId, first: 0, confirmedAtMs: jobId }),
        ),
      );
      const none = [1, 2];
      expect(confirms).toEqual(
        jobs.map((_, index) =>
          none.includes(index) ? { result: 'conflict' } : { result: 'confirmed', cursor: 5 },
        ),
      );
      for (const [index, job] of jobs.entries()) {
        const ledger = await progress().listLedger(job.id);
        const times = none.includes(index) ? [] : [job.id];
        expect(ledger.map(({ confirmedAtMs }) => confirmedAtMs)).toEqual(times);
      }
    });

    it('gets a long name', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const location = `s3://bucket/${'ü'.repeat(4000)}`;
      expect(await progress().insertPlan(claimed, planOf(job, 0, 4, { location }))).toBe(
        'inserted',
      );
    });

    it('is bound to a job that exists', async () => {
      const claimed = await newClaim(suite);
      const nobody = { id: 1_000_000_000 } as Job;
      expect(await progress().insertPlan(claimed, planOf(nobody, 0, 4))).toBe('conflict');
    });
  });
}

export function replaceContract(suite: Suite): void {
  const progress = () => suite.stores().progress;

  describe('a plan that is replaced', () => {
    it('gets another payload or another place', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const plan = planOf(job, 0, 4);
      await progress().insertPlan(claimed, plan);
      const encoded = { ...plan, payloadHash: 'cd'.repeat(32), encoderVersion: 2 };
      const moved = { ...encoded, location: 's3://another', key: plan.key };
      for (const next of [encoded, moved, moved]) {
        expect(await progress().replacePlan(claimed, next)).toBe('replaced');
        expect((await progress().loadJob(claimed, job.id)).plans).toEqual([next]);
      }
      // The name that it had is free again.
      const other = planOf(await newJob(suite), 0, 4, { key: plan.key });
      expect(await progress().insertPlan(claimed, other)).toBe('inserted');
    });

    it('keeps range and content revision, and is not confirmed yet', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const [head, plan] = [planOf(job, 0, 4), planOf(job, 5, 9)];
      await progress().insertPlan(claimed, head);
      await progress().insertPlan(claimed, plan);
      for (const change of [{ first: 6 }, { last: 8 }, { contentRevision: 2 }]) {
        expect(await progress().replacePlan(claimed, { ...plan, ...change })).toBe('conflict');
      }
      const name = { location: head.location, key: head.key };
      expect(await progress().replacePlan(claimed, { ...plan, ...name })).toBe('key_taken');
      await progress().confirmPlan(claimed, { jobId: job.id, first: 5, confirmedAtMs: 1 });
      expect(await progress().replacePlan(claimed, plan)).toBe('conflict');
    });
  });
}
