import { LogUnavailableError, type LogRecord, type NewDeadLetter } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { eventValue } from '@trailpush/test/kit/events.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const LETTERS = '/admin/v1/dead_letters';
const JOBS = '/client/v4/accounts/a1/logpush/jobs';
const CONF = 's3://bucket/logs?region=eu-west-1&access-key-id=AKIA1&secret-access-key=topsecret';
const EVENT = Buffer.from(eventValue({ id: 'e1', accountId: 'a1' }));

let api: ApiFixture;
let offset = 1000;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

/** Sets a record aside and gives its id. */
async function setAside(changes: Partial<NewDeadLetter> = {}): Promise<number> {
  offset += 1;
  return api.stores.progress.saveDeadLetters([
    {
      ...{ topic: api.log.topic, partition: 0, offset, jobId: null, accountId: 'a1' },
      ...{ reason: 'unknown_schema', message: 'no schema', timestampMs: 1000 },
      ...{ key: Buffer.from('a1'), value: EVENT },
      ...changes,
    },
  ]);
}

async function logged(): Promise<readonly (LogRecord & { partition: number })[]> {
  const records = [];
  for (const { partition, start, end } of await api.log.bounds()) {
    if (start === end) continue;
    const reader = api.log.openReader(partition, start);
    for (const record of (await reader.read()).records) records.push({ ...record, partition });
    await reader.close();
  }
  return records;
}

const resend = (id: number) => api.send('POST', `${LETTERS}/${id}/resend`);
const resentOn = async (id: number) =>
  ((await api.send('GET', `${LETTERS}/${id}`)).body.result as { resent_on: string | null })
    .resent_on;

describe('an operator', () => {
  it('lists letters of all accounts, and of one', async () => {
    const mine = await setAside();
    const other = await setAside({ accountId: 'a2' });
    const ids = async (query: string) =>
      ((await api.send('GET', `${LETTERS}${query}`)).body.result as { id: number }[]).map(
        ({ id }) => id,
      );
    expect(await ids('?limit=2')).toEqual([other, mine]);
    expect(await ids('?account_id=a2')).toEqual([other]);
  });

  it('sees the event of a record that can be read by now, else its first bytes', async () => {
    const good = await api.send('GET', `${LETTERS}/${await setAside()}`);
    expect(good.body.result).toMatchObject({
      reason: 'unknown_schema',
      record: { key: 'a1', event: { id: 'e1' }, problem: null, hex: null },
    });
    const value = Buffer.alloc(5000, 7);
    const bad = await api.send('GET', `${LETTERS}/${await setAside({ value })}`);
    expect(bad.body.result).toMatchObject({
      bytes: 5000,
      record: { event: null, problem: expect.stringContaining('neither') as string },
    });
    expect((bad.body.result as { record: { hex: string } }).record.hex).toBe('07'.repeat(1024));
    expect((await api.send('GET', `${LETTERS}/999999`)).status).toBe(404);
  });
});

describe('a dead letter sent again', () => {
  it('is in the log under its key once more, and is marked', async () => {
    const id = await setAside();
    expect(await resentOn(id)).toBeNull();
    const before = await logged();
    expect((await resend(id)).body.result).toMatchObject({ id, replay_id: null });
    const added = (await logged()).slice(before.length);
    expect(added.map(({ key, value }) => [Buffer.from(key!), Buffer.from(value!)])).toEqual([
      [Buffer.from('a1'), EVENT],
    ]);
    expect(await resentOn(id)).toMatch(/^20/);
  });

  it.each<[string, Partial<NewDeadLetter>, string]>([
    ['cannot be read', { value: Buffer.from('no avro') }, 'it still cannot be read: the value has'],
    ['has no key', { key: null }, 'it still cannot be read: the record has no key'],
    ['is too large', { value: Buffer.alloc(2 ** 21) }, 'TRAILPUSH_MAX_RECORD_BYTES allows'],
    ['is of a job that is gone', { jobId: 999 }, 'its job 999 is no more'],
  ])('that %s is refused with the reason, and not marked', async (_name, changes, why) => {
    const id = await setAside(changes);
    const before = await logged();
    const answer = await resend(id);
    expect(answer.status).toBe(409);
    expect(answer.body.errors[0]?.message).toContain(`dead letter ${id} was not sent again: `);
    expect(answer.body.errors[0]?.message).toContain(why);
    expect(await logged()).toHaveLength(before.length);
    expect(await resentOn(id)).toBeNull();
  });

  it('is not marked when the log did not take it', async () => {
    const id = await setAside();
    api.breakLog(new LogUnavailableError('the log is away'));
    expect((await resend(id)).status).toBe(503);
    api.breakLog(undefined);
    expect(await resentOn(id)).toBeNull();
  });

  it('goes to the job alone whose destination refused it, as a replay of its offset', async () => {
    const order = { dataset: 'audit_logs_v2', destination_conf: CONF, enabled: true };
    const { id: jobId } = (await api.send('POST', JOBS, order)).body.result as { id: number };
    await api.log.append([{ key: 'a1', value: EVENT }]);
    const record = (await logged()).at(-1)!;
    const { partition, timestampMs } = record;
    const at = { partition, timestampMs, offset: record.offset, jobId };
    const id = await setAside(at);
    const before = await logged();
    const answer = await resend(id);
    expect(answer.body.result).toMatchObject({ job_id: jobId });
    const { replay_id: replayId } = answer.body.result as { replay_id: number };
    const replay = await api.send('GET', `${JOBS}/${jobId}/replay/${replayId}`);
    expect(replay.body.result).toMatchObject({
      ranges: [{ partition, first: record.offset, last: record.offset }],
    });
    expect(await logged()).toHaveLength(before.length);
    expect(await resentOn(id)).toMatch(/^20/);

    await api.log.append([{ key: 'a1', value: EVENT }]);
    for (const changes of [
      { offset: record.offset + 1000 },
      { topic: 'another' },
      // Of the topic before it was made anew.
      { offset: record.offset + 1, timestampMs: 1 },
    ]) {
      const gone = await resend(await setAside({ ...at, ...changes }));
      expect(gone.status).toBe(409);
      expect(gone.body.errors[0]?.message).toContain('the log does not hold its record any more');
    }
  });
});
