import type { DeadLetterQuery, NewDeadLetter } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { newName, type Suite } from './suite.ts';

function letter(accountId: string | null, offset: number, changes: Partial<NewDeadLetter> = {}) {
  return {
    ...{ topic: newName('topic'), partition: 0, offset, jobId: null, accountId },
    ...{ reason: 'not_avro', message: 'no framing', timestampMs: 5 },
    ...{ key: Buffer.from('k'), value: Buffer.from([0, 255, 10]) },
    ...changes,
  };
}

/** What operators and accounts see of dead letters. */
export function deadLetterListContract(suite: Suite): void {
  const { progress, deadLetters } = {
    progress: () => suite.stores().progress,
    deadLetters: () => suite.stores().deadLetters,
  };
  const offsets = async (query: Omit<DeadLetterQuery, 'limit'>, limit = 100) =>
    (await deadLetters().list({ ...query, limit })).map(({ offset }) => offset);

  describe('the list of dead letters', () => {
    it('shows those of an account alone, the newest first, without their bytes', async () => {
      const accountId = newName('account');
      await progress().saveDeadLetters([
        letter(accountId, 1),
        letter(newName('account'), 2),
        letter(null, 3),
        letter(accountId, 4, { value: null }),
      ]);
      const listed = await deadLetters().list({ accountId, limit: 100 });
      expect(listed).toMatchObject([
        { offset: 4, accountId, valueBytes: null, resentAtMs: null },
        { offset: 1, accountId, valueBytes: 3, reason: 'not_avro', message: 'no framing' },
      ]);
      expect(listed[0]).not.toHaveProperty('value');
      expect(await offsets({ accountId: null }, 3)).toEqual([4, 3, 2]);
    });

    it('is narrowed to a job and a reason, and goes on behind the last one of a page', async () => {
      const accountId = newName('account');
      await progress().saveDeadLetters([
        letter(accountId, 1, { jobId: 77 }),
        letter(accountId, 2, { reason: 'too_large' }),
        letter(accountId, 3, { jobId: 77, reason: 'too_large' }),
        letter(accountId, 4, { jobId: 78 }),
      ]);
      expect(await offsets({ accountId, jobId: 77 })).toEqual([3, 1]);
      expect(await offsets({ accountId, reason: 'too_large' })).toEqual([3, 2]);
      expect(await offsets({ accountId, jobId: 77, reason: 'too_large' })).toEqual([3]);
      const page = await deadLetters().list({ accountId, limit: 2 });
      expect(page.map(({ offset }) => offset)).toEqual([4, 3]);
      expect(await offsets({ accountId, before: page[1]!.id })).toEqual([2, 1]);
    });
  });

  describe('a dead letter that was sent again', () => {
    it('says when, and stays whole', async () => {
      const accountId = newName('account');
      await progress().saveDeadLetters([letter(accountId, 1), letter(accountId, 2)]);
      const [second, first] = await deadLetters().list({ accountId, limit: 2 });
      await deadLetters().markResent(first!.id, 1_790_000_000_000);
      const found = (await deadLetters().get(first!.id))!;
      expect(found).toMatchObject({ offset: 1, accountId, resentAtMs: 1_790_000_000_000 });
      expect(Buffer.from(found.value!)).toEqual(Buffer.from([0, 255, 10]));
      expect((await deadLetters().get(second!.id))?.resentAtMs).toBeNull();
      expect(await deadLetters().get(999_999_999)).toBeUndefined();
    });
  });
}
