import type { NewDeadLetter } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const LETTERS = '/client/v4/accounts/a1/logpush/dead_letters';

let api: ApiFixture;
beforeAll(async () => {
  api = await startApi();
  await api.stores.progress.saveDeadLetters([
    letter(1, { accountId: 'a1' }),
    letter(2, { accountId: 'a2' }),
    letter(3, { accountId: 'a1', jobId: 7, reason: 'refused_by_destination' }),
    letter(4, { accountId: 'a1' }),
  ]);
});
afterAll(() => api.close());

function letter(offset: number, changes: Partial<NewDeadLetter>): NewDeadLetter {
  return {
    ...{ topic: 't', partition: 0, offset, jobId: null, accountId: null, reason: 'not_avro' },
    ...{ message: 'no framing', timestampMs: 1000, key: null, value: Buffer.from('in it') },
    ...changes,
  };
}

async function offsets(query: string): Promise<readonly number[]> {
  const { body } = await api.send('GET', `${LETTERS}?${query}`);
  return (body.result as { offset: number }[]).map(({ offset }) => offset);
}

describe('the dead letters of an account', () => {
  it('are listed, the newest first, without what is in them', async () => {
    const { body, text } = await api.send('GET', LETTERS);
    expect(body.result).toMatchObject([
      { offset: 4 },
      { offset: 3, job_id: 7, reason: 'refused_by_destination' },
      {
        ...{ account_id: 'a1', job_id: null, reason: 'not_avro', message: 'no framing' },
        ...{ topic: 't', partition: 0, offset: 1, bytes: 5, resent_on: null },
        logged_on: '1970-01-01T00:00:01.000Z',
      },
    ]);
    expect(text).not.toContain(Buffer.from('in it').toString('hex'));
    expect(text).not.toContain('in it');
  });

  it('are narrowed to a job or a reason, and come in pages', async () => {
    expect(await offsets('job_id=7')).toEqual([3]);
    expect(await offsets('reason=not_avro')).toEqual([4, 1]);
    expect(await offsets('limit=2')).toEqual([4, 3]);
    const { body } = await api.send('GET', `${LETTERS}?limit=2`);
    const { id } = (body.result as { id: number }[])[1]!;
    expect(await offsets(`limit=2&before=${id}`)).toEqual([1]);
  });

  it.each([
    ['limit=0', "query parameter 'limit' must be a whole number from 1 to 1000"],
    ['job_id=x', "query parameter 'job_id' must be an id"],
    ['account_id=a2', "query parameter 'account_id' is not known here"],
  ])('refuse %s by name', async (query, message) => {
    const answer = await api.send('GET', `${LETTERS}?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0]?.message).toContain(message);
  });
});
