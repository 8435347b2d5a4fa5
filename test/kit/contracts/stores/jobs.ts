import { Secret } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { newClaim, newJob, newName, planOf, specOf, type Suite } from './suite.ts';

export function jobContract(suite: Suite): void {
  const jobs = () => suite.stores().jobs;

  describe('a job', () => {
    it('comes back as it was created', async () => {
      const account = newName('account');
      const spec = specOf({
        destinationConf: new Secret('https://example.com/ü?header_Authorization=Bearer%20x'),
        name: 'tabs\tand "quotes" \u2028',
        enabled: false,
        logpullOptions: 'fields=A',
      });
      const created = await jobs().create(account, spec, undefined);
      const stored = await jobs().get(account, created.id);
      expect(stored).toEqual(created);
      expect(stored).toMatchObject({
        accountId: account,
        revision: 1,
        contentRevision: 1,
        wasEnabled: false,
        status: { lastCompleteMs: null, lastErrorMs: null, errorMessage: null },
      });
      expect({ ...stored!.spec, destinationConf: '' }).toEqual({ ...spec, destinationConf: '' });
      expect(stored!.spec.destinationConf.reveal()).toBe(spec.destinationConf.reveal());
      expect(Math.abs(Date.now() - stored!.createdAtMs)).toBeLessThan(60_000);
    });

    it('keeps numbers up to the largest safe one', async () => {
      const job = await newJob(suite, { maxUploadBytes: Number.MAX_SAFE_INTEGER });
      expect(job.spec.maxUploadBytes).toBe(Number.MAX_SAFE_INTEGER);
    });

    it('is listed with the others of its account, in order of id', async () => {
      const account = newName('account');
      const created = [];
      for (let count = 0; count < 3; count += 1) {
        created.push((await jobs().create(account, specOf(), undefined)).id);
      }
      expect((await jobs().list(account)).map(({ id }) => id)).toEqual(created);
      expect(created).toEqual(created.toSorted((a, b) => a - b));
      expect(await jobs().list(newName('account'))).toEqual([]);
    });

    it('does not exist for another account', async () => {
      const job = await newJob(suite);
      const other = newName('account');
      const change = {
        spec: specOf({ name: 'stolen' }),
        expectedRevision: 1,
        contentChanged: false,
        start: undefined,
      };
      expect(await jobs().get(other, job.id)).toBeUndefined();
      expect(await jobs().update(other, job.id, change)).toBeUndefined();
      expect(await jobs().delete(other, job.id)).toBeUndefined();
      expect(await jobs().get(job.accountId, job.id)).toEqual(job);
    });

    it('never gets the id of a deleted one', async () => {
      const job = await newJob(suite);
      await jobs().delete(job.accountId, job.id);
      expect((await newJob(suite)).id).toBeGreaterThan(job.id);
    });
  });
}

export function jobPlaceContract(suite: Suite): void {
  const jobs = () => suite.stores().jobs;
  const start = (topic: string, ...offsets: number[]) => ({
    topic,
    offsets: new Map(offsets.entries()),
  });

  describe('the place of a job in the log', () => {
    it('is stored with the revision that enables it first, for the catch-up lane', async () => {
      const topic = newName('topic');
      const account = newName('account');
      const job = await jobs().create(account, specOf(), start(topic, 7, 9));
      const { id: later } = await jobs().create(account, specOf({ enabled: false }), undefined);
      const enabled = await jobs().update(account, later, {
        spec: specOf(),
        expectedRevision: 1,
        contentChanged: false,
        start: start(topic, 11, 13),
      });
      expect([job.wasEnabled, enabled?.wasEnabled]).toEqual([true, true]);
      const { cursors } = await newClaim(suite, { topic, partition: 1 });
      expect(cursors).toEqual([
        { jobId: job.id, cursor: 9, detached: true },
        { jobId: later, cursor: 13, detached: true },
      ]);
    });

    it('does not move when the job is enabled again', async () => {
      const topic = newName('topic');
      const account = newName('account');
      const job = await jobs().create(account, specOf(), start(topic, 7));
      await jobs().update(account, job.id, {
        spec: specOf(),
        expectedRevision: 1,
        contentChanged: false,
        start: start(topic, 100, 200),
      });
      expect((await newClaim(suite, { topic })).cursors).toEqual([
        { jobId: job.id, cursor: 7, detached: true },
      ]);
      expect((await newClaim(suite, { topic, partition: 1 })).cursors).toEqual([]);
    });

    it('goes with the job, and so do its plans; the ledger stays', async () => {
      const { progress } = suite.stores();
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await progress.insertPlan(claimed, planOf(job, 0, 4));
      await progress.confirmPlan(claimed, { jobId: job.id, first: 0, confirmedAtMs: 1 });
      const open = planOf(job, 5, 9);
      await progress.insertPlan(claimed, open);
      await progress.insertPlan(claimed, planOf(job, 10, 14));
      expect(await jobs().delete(job.accountId, job.id)).toEqual({ droppedPlans: 2 });
      expect(await jobs().delete(job.accountId, job.id)).toBeUndefined();
      expect(await jobs().get(job.accountId, job.id)).toBeUndefined();
      expect(await progress.loadJob(claimed, job.id)).toMatchObject({
        cursor: undefined,
        plans: [],
      });
      expect(await progress.listLedger(job.id)).toMatchObject([{ first: 0, last: 4 }]);
      expect(await progress.insertPlan(claimed, open)).toBe('conflict');
      expect(
        await progress.confirmPlan(claimed, { jobId: job.id, first: 5, confirmedAtMs: 1 }),
      ).toEqual({ result: 'conflict' });
    });

    it('goes with the job, also while plans are being made and confirmed', async () => {
      const { progress } = suite.stores();
      const topic = newName('topic');
      const claimed = await newClaim(suite, { topic });
      for (let round = 0; round < 8; round += 1) {
        const job = await newJob(suite);
        const [head, ...later] = [0, 1, 2, 3].map((offset) => planOf(job, offset, offset));
        await progress.insertPlan(claimed, head!);
        await Promise.all([
          ...later.map((plan) => progress.insertPlan(claimed, plan)),
          progress.confirmPlan(claimed, { jobId: job.id, first: 0, confirmedAtMs: 1 }),
          jobs().delete(job.accountId, job.id),
        ]);
      }
      expect(await newClaim(suite, { topic })).toMatchObject({ cursors: [], plans: [] });
    });

    it('leaves a record when it was deleted on purpose', async () => {
      const [deleted, kept] = [await newJob(suite), await newJob(suite)];
      await jobs().delete(deleted.accountId, deleted.id);
      const asked = [deleted.id, kept.id, 1_000_000_000];
      expect(await jobs().deletedAmong(asked)).toEqual(new Set([deleted.id]));
      expect(await jobs().deletedAmong([])).toEqual(new Set());
    });
  });
}
