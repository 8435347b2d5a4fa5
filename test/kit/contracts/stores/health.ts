import { MAX_KEPT_ATTEMPTS, type Attempt, type Job } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { newClaim, newJob, planOf, type Suite } from './suite.ts';

function attemptOf(job: Job, number: number, changes: Partial<Attempt> = {}): Attempt {
  return {
    ...{ jobId: job.id, atMs: 1_000_000 + number, tookMs: 12, verdict: 'retry', code: 503 },
    ...{ message: 'error 503', records: 5, wireBytes: 600, partition: 2 },
    ...{ firstOffset: number, lastOffset: number + 4, ...changes },
  };
}

export function healthContract(suite: Suite): void {
  const health = () => suite.stores().jobHealth;
  const progress = () => suite.stores().progress;

  describe('attempts', () => {
    it('are kept as they were, the newest of each job', async () => {
      const [job, other] = [await newJob(suite), await newJob(suite)];
      const delivered = { verdict: 'delivered', code: null, message: null } as const;
      await health().recordAttempts([attemptOf(other, 1, delivered)]);
      for (let round = 0; round < 3; round++) {
        const attempts = Array.from({ length: 50 }, (_, i) => attemptOf(job, round * 50 + i));
        await health().recordAttempts(attempts);
      }
      const listed = await health().listAttempts(job.accountId, job.id);
      expect(listed).toHaveLength(MAX_KEPT_ATTEMPTS);
      expect(listed[0]).toEqual(attemptOf(job, 149));
      expect(listed.at(-1)).toEqual(attemptOf(job, 50));
      expect(await health().listAttempts(other.accountId, other.id)).toEqual([
        attemptOf(other, 1, delivered),
      ]);
      expect(await health().listAttempts(other.accountId, job.id)).toEqual([]);
    });

    it('go with their job, and none is kept of a job that is gone', async () => {
      const [job, gone] = [await newJob(suite), await newJob(suite)];
      await health().recordAttempts([attemptOf(gone, 1)]);
      await suite.stores().jobs.delete(gone.accountId, gone.id);
      await health().recordAttempts([attemptOf(gone, 2), attemptOf(job, 3)]);
      await health().recordAttempts([]);
      expect(await health().listAttempts(gone.accountId, gone.id)).toEqual([]);
      expect(await health().listAttempts(job.accountId, job.id)).toHaveLength(1);
    });
  });

  describe('a job that fails', () => {
    const fail = (job: Job, atMs: number, isAttempt = true) =>
      progress().recordFailure(job.id, { atMs, message: 'error 503', isAttempt });

    it('does so since its first failed attempt, until a success or a change', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      expect(await fail(job, 50, false)).toBeNull();
      expect(await fail(job, 100)).toBe(100);
      expect(await fail(job, 200)).toBe(100);
      expect(await fail(job, 300, false)).toBe(100);
      await progress().insertPlan(claimed, planOf(job, 0, 9));
      await progress().confirmPlan(claimed, { jobId: job.id, first: 0, confirmedAtMs: 400 });
      expect(await fail(job, 500)).toBe(500);
      const { jobs } = suite.stores();
      const change = { spec: job.spec, contentChanged: false, start: undefined };
      await jobs.update(job.accountId, job.id, { ...change, expectedRevision: 1 });
      expect(await fail(job, 600)).toBe(600);
    });

    it('is disabled by a revision that says why, and the operator is told once a day', async () => {
      const job = await newJob(suite);
      const { jobs } = suite.stores();
      const disabledBecause = 'all attempts of 24 h have failed';
      for (const enabled of [false, true, false]) {
        const { revision } = (await jobs.get(job.accountId, job.id))!;
        await jobs.update(job.accountId, job.id, {
          ...{ spec: { ...job.spec, enabled }, expectedRevision: revision },
          ...{ contentChanged: false, start: undefined },
          ...(enabled ? {} : { disabledBecause }),
        });
      }
      const stored = (await jobs.get(job.accountId, job.id))!;
      expect(stored).toMatchObject({ revision: 4, spec: { enabled: false } });
      expect(stored.status.errorMessage).toBe(disabledBecause);
      const told = (await takeAll()).filter(({ jobId }) => jobId === job.id);
      expect(told).toMatchObject([{ kind: 'job_disabled', accountId: job.accountId, tries: 1 }]);
    });
  });

  /** Every notice that is due. */
  async function takeAll(leaseMs = 0) {
    const taken = await health().takeNotices(10_000, leaseMs);
    return taken;
  }

  describe('a notice', () => {
    it('is there for gaps and dead letters, one a day for each job', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      for (const from of [0, 10]) {
        await progress().recordGap(claimed, {
          ...{ jobId: job.id, topic: claimed.topic, partition: 0, from, to: from + 10 },
          ...{ reason: 'retention', possiblyDelivered: false, seenAtMs: Date.now() },
        });
      }
      await progress().saveDeadLetters(
        [20, 21].map((offset) => ({
          ...{ topic: claimed.topic, partition: 0, offset, jobId: job.id, key: null, value: null },
          ...{ accountId: job.accountId, reason: 'refused', message: 'no', timestampMs: 5 },
        })),
      );
      const told = (await takeAll()).filter(({ jobId }) => jobId === job.id);
      expect(told.map(({ kind, accountId }) => [kind, accountId])).toEqual([
        ['gap', job.accountId],
        ['dead_letter', job.accountId],
      ]);
    });

    it('is taken by one at a time, again after its lease, and not after it was settled', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await progress().recordGap(claimed, {
        ...{ jobId: job.id, topic: claimed.topic, partition: 0, from: 0, to: 10 },
        ...{ reason: 'retention', possiblyDelivered: false, seenAtMs: Date.now() },
      });
      const mine = async (leaseMs = 0) =>
        (await takeAll(leaseMs)).filter(({ jobId }) => jobId === job.id);
      expect(await mine()).toMatchObject([{ tries: 1 }]);
      const [taken] = await mine(60_000);
      expect(taken).toMatchObject({ tries: 2 });
      expect(await mine()).toEqual([]);
      await health().settleNotice(taken!.id, 0);
      expect(await mine(60_000)).toMatchObject([{ tries: 3 }]);
      await health().settleNotice(taken!.id);
      expect(await mine()).toEqual([]);
    });
  });
}
