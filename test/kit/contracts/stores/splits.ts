import type { ClaimedPartition, Job, NewDeadLetter, Plan } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { cursorOf, newClaim, newJob, planOf, type Suite } from './suite.ts';

interface Queue {
  readonly claimed: ClaimedPartition;
  readonly job: Job;
  readonly plans: readonly [Plan, Plan];
}

/** A job with these open plans, one record an offset. */
async function newQueue(suite: Suite, ends: readonly [number, number] = [9, 19]): Promise<Queue> {
  const claimed = await newClaim(suite);
  const job = await newJob(suite);
  const plans: [Plan, Plan] = [planOf(job, 0, ends[0]), planOf(job, ends[0] + 1, ends[1])];
  for (const plan of plans) await suite.stores().progress.insertPlan(claimed, plan);
  return { claimed, job, plans };
}

export function splitContract(suite: Suite): void {
  const progress = () => suite.stores().progress;
  const halves = (job: Job, first: number, middle: number, last: number): [Plan, Plan] => [
    planOf(job, first, middle, { payloadHash: '01'.repeat(32) }),
    planOf(job, middle + 1, last, { payloadHash: '02'.repeat(32) }),
  ];

  describe('a plan that is split', () => {
    it('becomes two in its place, wherever it stands, and the cursor stays', async () => {
      const { claimed, job, plans } = await newQueue(suite);
      const second = halves(job, 10, 12, 19);
      expect(await progress().splitPlan(claimed, second)).toBe('split');
      const first = halves(job, 0, 4, 9);
      expect(await progress().splitPlan(claimed, first)).toBe('split');
      expect(await progress().loadJob(claimed, job.id)).toMatchObject({
        cursor: cursorOf(job, 0),
        plans: [...first, ...second],
      });
      for (const { first: at } of [second[1], first[0], first[1], second[0]]) {
        await progress().confirmPlan(claimed, { jobId: job.id, first: at, confirmedAtMs: 1 });
      }
      const ledger = await progress().listLedger(job.id);
      expect(ledger.map(({ key }) => key)).toEqual([...first, ...second].map(({ key }) => key));
      expect(ledger.map(({ key }) => key)).not.toContain(plans[0].key);
      expect((await progress().loadJob(claimed, job.id)).cursor).toEqual(cursorOf(job, 20));
    });

    it('stays so when the call is repeated, since its answer may have been lost', async () => {
      const { claimed, job } = await newQueue(suite);
      const parts = halves(job, 0, 4, 9);
      await progress().splitPlan(claimed, parts);
      expect(await progress().splitPlan(claimed, parts)).toBe('split');
      expect((await progress().loadJob(claimed, job.id)).plans).toHaveLength(3);
    });

    it('is an open one, split into all of itself under free names, or nothing changes', async () => {
      const { claimed, job, plans } = await newQueue(suite);
      const before = await progress().loadJob(claimed, job.id);
      const [left, right] = halves(job, 0, 4, 9);
      const split = (parts: readonly [Plan, Plan]) => progress().splitPlan(claimed, parts);
      expect(await split([left, { ...right, last: 8 }])).toBe('conflict');
      expect(await split([left, { ...right, first: 6 }])).toBe('conflict');
      expect(await split([{ ...left, last: 3 }, right])).toBe('conflict');
      expect(await split([left, { ...right, contentRevision: 2 }])).toBe('conflict');
      expect(await split(halves(job, 3, 4, 9))).toBe('conflict');
      expect(await split(halves({ ...job, id: 1_000_000_000 }, 0, 4, 9))).toBe('conflict');
      expect(await split([left, { ...right, key: plans[1].key }])).toBe('key_taken');
      expect(await split([{ ...left, key: plans[1].key }, right])).toBe('key_taken');
      const stale = { ...claimed, epoch: claimed.epoch - 1 };
      expect(await progress().splitPlan(stale, [left, right])).toBe('stale');
      expect(await progress().loadJob(claimed, job.id)).toEqual(before);
      await progress().confirmPlan(claimed, { jobId: job.id, first: 10, confirmedAtMs: 1 });
      expect(await split(halves(job, 10, 12, 19))).toBe('conflict');
    });
  });
  setAsideContract(suite);
}

function setAsideContract(suite: Suite): void {
  const progress = () => suite.stores().progress;
  const letterOf = ({ claimed, job }: Queue, offset: number): NewDeadLetter => ({
    ...{ topic: claimed.topic, partition: 0, offset, jobId: job.id, accountId: job.accountId },
    ...{ reason: 'refused_by_destination', message: 'error 400', timestampMs: 5 },
    ...{ key: Buffer.from('account'), value: Buffer.from([0, 255, 10, 128]) },
  });

  describe('a plan whose only record is set aside', () => {
    it('goes, its record is a dead letter of the job, and the cursor moves behind it', async () => {
      const queue = await newQueue(suite, [0, 19]);
      const { claimed, job, plans } = queue;
      const letter = letterOf(queue, 0);
      const head = { jobId: job.id, first: 0 };
      await progress().recordFailure(job.id, { atMs: 5, message: 'error 400' });
      for (let call = 0; call < 2; call++) {
        expect(await progress().setAsidePlan(claimed, head, letter)).toEqual({
          ...{ result: 'set_aside', cursor: 1 },
        });
      }
      expect(await progress().loadJob(claimed, job.id)).toMatchObject({
        cursor: cursorOf(job, 1),
        plans: [plans[1]],
      });
      const letters = (await progress().listDeadLetters(1000)).filter(
        ({ jobId }) => jobId === job.id,
      );
      expect(letters).toMatchObject([{ ...letter, key: {}, value: {} }]);
      expect(Buffer.from(letters[0]!.value!)).toEqual(letter.value);
      expect(await progress().listLedger(job.id)).toEqual([]);
      const { status } = (await suite.stores().jobs.get(job.accountId, job.id))!;
      expect(status.errorMessage).toBeNull();
      // Other jobs still want the record.
      const range = { topic: claimed.topic, partition: 0, first: 0, last: 0 };
      expect(await progress().deadLetterOffsets(range, 1e9)).toEqual([]);
    });

    it('lets those go that were only waiting for it', async () => {
      const queue = await newQueue(suite, [0, 19]);
      const { claimed, job, plans } = queue;
      await progress().confirmPlan(claimed, { jobId: job.id, first: 1, confirmedAtMs: 7 });
      const head = { jobId: job.id, first: 0 };
      expect(await progress().setAsidePlan(claimed, head, letterOf(queue, 0))).toEqual({
        ...{ result: 'set_aside', cursor: 20 },
      });
      expect(await progress().listLedger(job.id)).toMatchObject([{ key: plans[1].key }]);
    });

    it('is the first one, unconfirmed and of one record, or nothing changes', async () => {
      const queue = await newQueue(suite, [9, 10]);
      const { claimed, job } = queue;
      const before = await progress().loadJob(claimed, job.id);
      const setAside = async (first: number, at: ClaimedPartition = claimed) =>
        (await progress().setAsidePlan(at, { jobId: job.id, first }, letterOf(queue, first)))
          .result;
      expect(await setAside(0)).toBe('conflict');
      expect(await setAside(10)).toBe('conflict');
      expect(await setAside(0, { ...claimed, epoch: claimed.epoch - 1 })).toBe('stale');
      expect(await progress().loadJob(claimed, job.id)).toEqual(before);
      const letters = await progress().listDeadLetters(1000);
      expect(letters.filter(({ jobId }) => jobId === job.id)).toEqual([]);
    });
  });
}
