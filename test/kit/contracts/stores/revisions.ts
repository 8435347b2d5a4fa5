import { RevisionConflictError, type JobSet } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { describe, expect, it, vi } from 'vitest';

import { FakeClock } from '../../fake-clock.ts';
import { newClaim, newJob, planOf, SECRET_KEY, specOf, type Suite } from './suite.ts';

const unchanged = { contentChanged: false, start: undefined };

export function revisionContract(suite: Suite): void {
  const jobs = () => suite.stores().jobs;

  describe('a revision', () => {
    it('follows the one that the change was made against', async () => {
      const job = await newJob(suite);
      const spec = specOf({ name: 'renamed' });
      const second = await jobs().update(job.accountId, job.id, {
        ...unchanged,
        spec,
        expectedRevision: 1,
      });
      expect(second).toMatchObject({ revision: 2, contentRevision: 1, spec: { name: 'renamed' } });
      await expect(
        jobs().update(job.accountId, job.id, { ...unchanged, spec, expectedRevision: 1 }),
      ).rejects.toThrow(RevisionConflictError);
      expect((await jobs().get(job.accountId, job.id))?.revision).toBe(2);
    });

    it('is made by one of two changes against the same', async () => {
      const job = await newJob(suite);
      const changes = ['one', 'two', 'three'].map((name) =>
        jobs().update(job.accountId, job.id, {
          ...unchanged,
          spec: specOf({ name }),
          expectedRevision: 1,
        }),
      );
      const results = await Promise.allSettled(changes);
      const refused = results.filter(({ status }) => status === 'rejected');
      expect(refused).toHaveLength(2);
      for (const result of refused) {
        expect(result).toMatchObject({ reason: expect.any(RevisionConflictError) as unknown });
      }
      expect((await jobs().get(job.accountId, job.id))?.revision).toBe(2);
    });

    it('keeps the content that older plans are bound to', async () => {
      const job = await newJob(suite, { filter: 'first' });
      const update = (filter: string, expectedRevision: number, contentChanged: boolean) =>
        jobs().update(job.accountId, job.id, {
          spec: specOf({ filter, name: `${filter} ${expectedRevision}` }),
          expectedRevision,
          contentChanged,
          start: undefined,
        });
      await update('second', 1, true);
      const third = await update('second', 2, false);
      expect(third).toMatchObject({ revision: 3, contentRevision: 2 });
      const { dataset, outputOptions, logpullOptions } = specOf();
      const content = (filter: string) => ({ dataset, outputOptions, logpullOptions, filter });
      expect(await jobs().loadContent(job.id, 1)).toEqual(content('first'));
      expect(await jobs().loadContent(job.id, 2)).toEqual(content('second'));
      expect(await jobs().loadContent(job.id, 3)).toBeUndefined();
    });

    it('never changes content under the same content revision', async () => {
      const job = await newJob(suite);
      for (const change of [{ filter: 'another' }, { logpullOptions: 'sample=0.1' }]) {
        const spec = specOf(change);
        await expect(
          jobs().update(job.accountId, job.id, { ...unchanged, spec, expectedRevision: 1 }),
        ).rejects.toThrow('new content');
      }
      expect((await jobs().get(job.accountId, job.id))?.revision).toBe(1);
    });
  });
}

export function changesContract(suite: Suite): void {
  const jobs = () => suite.stores().jobs;

  describe('the set of all jobs', () => {
    it('has a version that grows with every change of a job, and with nothing else', async () => {
      const seen: JobSet[] = [await jobs().loadAll()];
      const after = async (change: () => Promise<unknown>): Promise<void> => {
        await change();
        seen.push(await jobs().loadAll());
      };
      const job = await newJob(suite, { enabled: false });
      const claimed = await newClaim(suite);
      await after(async () => undefined);
      await after(async () => {
        await suite.stores().progress.insertPlan(claimed, planOf(job, 0, 1));
        await suite.stores().progress.recordFailure(job.id, { atMs: 5, message: 'no bucket' });
      });
      await after(() =>
        jobs().update(job.accountId, job.id, { ...unchanged, spec: specOf(), expectedRevision: 1 }),
      );
      await after(() => jobs().delete(job.accountId, job.id));
      const [first, ...rest] = seen.map(({ version }) => version);
      expect(rest).toEqual([first! + 1, first! + 1, first! + 2, first! + 3]);
      const found = seen.map((set) => set.jobs.find(({ id }) => id === job.id)?.revision);
      expect(found).toEqual([undefined, 1, 1, 2, undefined]);
    });

    it('tells watchers of this process at once', async () => {
      const onChange = vi.fn();
      const stop = await jobs().watch(onChange);
      await newJob(suite);
      expect(onChange).toHaveBeenCalled();
      await stop();
      onChange.mockClear();
      await newJob(suite);
      expect(onChange).not.toHaveBeenCalled();
    });

    it('tells watchers of other processes within 5 seconds', async () => {
      const clock = new FakeClock();
      const other = await suite.place().open({ secretKey: SECRET_KEY, clock });
      const onChange = vi.fn();
      const stop = await other.jobs.watch(onChange);
      const lookAgain = async (): Promise<void> => {
        onChange.mockClear();
        await clock.advance(5_000);
        await other.ping();
      };
      await lookAgain();
      await lookAgain();
      await newJob(suite);
      await vi.waitFor(async () => {
        await clock.advance(5_000);
        expect(onChange).toHaveBeenCalled();
      });
      await stop();
      await other.close();
      expect(clock.pendingTimers).toBe(0);
    });

    it('is closed while it is being watched', async () => {
      const other = await suite.place().open({ secretKey: SECRET_KEY, clock: systemClock });
      await other.jobs.watch(() => undefined);
      await other.close();
      await expect(other.jobs.loadAll()).rejects.toThrow('closed');
    });
  });
}
