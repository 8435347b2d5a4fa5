import type { Gap, Job, NewDeadLetter } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { cursorOf, newClaim, newJob, newName, planOf, type Suite } from './suite.ts';

function letterAt(topic: string, offset: number, changes: Partial<NewDeadLetter> = {}) {
  return {
    topic,
    partition: 0,
    offset,
    jobId: null,
    accountId: null,
    reason: 'not_avro',
    message: 'no framing',
    timestampMs: 5,
    key: Buffer.from('account'),
    value: Buffer.from([0, 255, 10, 128]),
    ...changes,
  };
}

export function lossContract(suite: Suite): void {
  gapContract(suite);
  deadLetterContract(suite);
}

function gapContract(suite: Suite): void {
  const progress = () => suite.stores().progress;
  const gapOf = (topic: string, job: Job, from: number, to: number): Gap => ({
    ...{ jobId: job.id, topic, partition: 0, from, to, reason: 'retention' },
    ...{ possiblyDelivered: true, seenAtMs: 1_700_000_000_000 },
  });

  describe('a gap', () => {
    it('is recorded once and moves the cursor behind it', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const gap = gapOf(claimed.topic, job, 0, 40);
      expect(await progress().recordGap(claimed, gap)).toBe(true);
      expect(await progress().recordGap(claimed, gap)).toBe(true);
      const second = { ...gapOf(claimed.topic, job, 40, 44), possiblyDelivered: false };
      await progress().recordGap(claimed, second);
      expect(await progress().listGaps(job.id)).toEqual([gap, second]);
      expect((await progress().loadJob(claimed, job.id)).cursor).toEqual(cursorOf(job, 44));
    });

    it('is listed page by page', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      const gaps = [0, 1, 2].map((from) => gapOf(claimed.topic, job, from, from + 1));
      for (const gap of gaps) await progress().recordGap(claimed, gap);
      expect(await progress().listGaps(job.id, { limit: 2, offset: 0 })).toEqual(gaps.slice(0, 2));
      expect(await progress().listGaps(job.id, { limit: 2, offset: 2 })).toEqual(gaps.slice(2));
    });

    it('never moves a cursor backwards', async () => {
      const claimed = await newClaim(suite, { logStart: 50 });
      const [withRow, without] = [await newJob(suite), await newJob(suite)];
      await progress().pin(claimed, {
        liveFrom: 50,
        lastRead: null,
        cursors: [cursorOf(withRow, 60, true)],
        idleJobIds: [],
      });
      for (const job of [withRow, without]) {
        await progress().recordGap(claimed, gapOf(claimed.topic, job, 10, 40));
      }
      expect((await progress().loadJob(claimed, withRow.id)).cursor).toEqual(
        cursorOf(withRow, 60, true),
      );
      expect((await progress().loadJob(claimed, without.id)).cursor).toBeUndefined();
    });

    it('does not pass an open plan', async () => {
      const claimed = await newClaim(suite);
      const job = await newJob(suite);
      await progress().insertPlan(claimed, planOf(job, 0, 4));
      await expect(progress().recordGap(claimed, gapOf(claimed.topic, job, 5, 40))).rejects.toThrow(
        'open plans',
      );
      expect(await progress().listGaps(job.id)).toEqual([]);
    });

    it('of a deleted job has nobody to tell', async () => {
      const claimed = await newClaim(suite);
      const nobody = { id: 1_000_000_000 } as Job;
      expect(await progress().recordGap(claimed, gapOf(claimed.topic, nobody, 0, 4))).toBe(true);
    });
  });
}

function deadLetterContract(suite: Suite): void {
  const progress = () => suite.stores().progress;

  describe('a dead letter', () => {
    it('is kept whole, and once', async () => {
      const topic = newName('topic');
      const job = await newJob(suite);
      const letters = [
        letterAt(topic, 3),
        letterAt(topic, 3, { jobId: job.id, accountId: job.accountId, key: null, value: null }),
        letterAt(topic, 4, { value: Buffer.alloc(300_000, 7) }),
      ];
      await progress().saveDeadLetters(letters);
      const last = await progress().saveDeadLetters([...letters, letterAt(topic, 5)]);
      const listed = (await progress().listDeadLetters(4)).toReversed();
      expect(listed.at(-1)?.id).toBe(last);
      const bytes = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value));
      expect(
        listed.map((letter) => ({ ...letter, key: bytes(letter.key), value: bytes(letter.value) })),
      ).toMatchObject([...letters, letterAt(topic, 5)]);
      expect(await progress().saveDeadLetters([])).toBe(last);
    });

    it('of everybody is found by its offset, up to an id', async () => {
      const topic = newName('topic');
      const job = await newJob(suite);
      const known = await progress().saveDeadLetters([
        letterAt(topic, 3),
        letterAt(topic, 9),
        letterAt(topic, 5, { jobId: job.id }),
        letterAt(topic, 6, { partition: 1 }),
      ]);
      await progress().saveDeadLetters([letterAt(topic, 4)]);
      const range = { topic, partition: 0, first: 3, last: 8 };
      expect(await progress().deadLetterOffsets(range, known)).toEqual([3]);
      expect(await progress().deadLetterOffsets({ ...range, last: 9 }, known + 9)).toEqual([
        3, 4, 9,
      ]);
    });

    it('gets a larger id than all that can be seen when it appears', async () => {
      const topic = newName('topic');
      const saved = await Promise.all(
        Array.from({ length: 20 }, async (_, offset) => {
          const id = await progress().saveDeadLetters([letterAt(topic, offset)]);
          const range = { topic, partition: 0, first: 0, last: 20 };
          return { id, seen: await progress().deadLetterOffsets(range, id) };
        }),
      );
      const range = { topic, partition: 0, first: 0, last: 20 };
      for (const { id, seen } of saved) {
        expect(await progress().deadLetterOffsets(range, id)).toEqual(seen);
      }
    });

    it('comes in numbers and sizes beyond one statement', async () => {
      const topic = newName('topic');
      const many = Array.from({ length: 3000 }, (_, offset) => letterAt(topic, offset));
      const large = [1, 2, 3].map((index) =>
        letterAt(topic, 3000 + index, { value: Buffer.alloc(5 * 1024 * 1024, index) }),
      );
      await progress().saveDeadLetters([...many, ...large]);
      const range = { topic, partition: 0, first: 0, last: 9999 };
      expect(await progress().deadLetterOffsets(range, 1e9)).toHaveLength(3003);
    });
  });
}
