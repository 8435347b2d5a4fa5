import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { eventValue } from '@trailpush/test/kit/events.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const JOBS = '/client/v4/accounts/a1/logpush/jobs';
const conf = 's3://bucket/logs?region=eu-west-1&access-key-id=AKIA1&secret-access-key=topsecret';

interface Shown {
  readonly id: number;
  readonly ranges: readonly { partition: number; first: number; last: number; next: number }[];
}

describe('replays over the API', () => {
  let api: ApiFixture;
  let replay: string;
  let jobId: number;
  let partition: number;
  beforeAll(async () => {
    api = await startApi();
    const filter = '{"where":{"key":"ActionType","operator":"eq","value":"update"}}';
    const body = { dataset: 'audit_logs_v2', destination_conf: conf, enabled: true, filter };
    jobId = ((await api.send('POST', JOBS, body)).body.result as { id: number }).id;
    replay = `${JOBS}/${jobId}/replay`;
    const types = ['update', 'view', 'update'];
    for (const [index, actionType] of types.entries()) {
      const value = eventValue({ id: `e${index}`, accountId: 'a1', actionType });
      await api.log.append([{ key: 'a1', value }]);
    }
    await api.log.append([{ key: 'a1', value: Buffer.from('no avro') }]);
    const bounds = await api.log.bounds();
    partition = bounds.find(({ end }) => end > 0)!.partition;
  });
  afterAll(() => api.close());

  const start = (body: object) => api.send('POST', replay, body);

  it('start for a range of offsets, are shown, listed and cancelled', async () => {
    const order = { offsets: [{ partition, first: 1, last: 2 }], max_records_per_second: 100 };
    const started = await start(order);
    expect(started.status).toBe(201);
    const shown = started.body.result as Shown;
    expect(shown).toMatchObject({
      ...{ job_id: jobId, state: 'running', destination: 's3://bucket', progress: 0 },
      ranges: [{ partition, first: 1, last: 2, next: 1 }],
      ...{ max_records_per_second: 100, records: 0, objects: 0, bytes: 0, ended: null },
    });
    expect((await api.send('GET', `${replay}/${shown.id}`)).body.result).toEqual(shown);
    expect((await api.send('GET', replay)).body.result).toEqual([shown]);
    const cancelled = await api.send('DELETE', `${replay}/${shown.id}`);
    expect(cancelled.body.result).toMatchObject({ id: shown.id, state: 'cancelled' });
    expect(api.logged()).not.toContain('topsecret');
  });

  it('are no jobs', async () => {
    const { id } = (await start({ since: '2020-01-01T00:00:00Z' })).body.result as Shown;
    expect((await api.send('GET', `${JOBS}/${id}`)).status).toBe(404);
    expect((await api.send('DELETE', `${JOBS}/${id}`)).status).toBe(404);
    expect((await api.send('GET', JOBS)).body.result).toHaveLength(1);
    await api.send('DELETE', `${replay}/${id}`);
  });

  it('start for a range of times, up to what the log holds now', async () => {
    const all = (await start({ since: '2020-01-01T00:00:00Z' })).body.result as Shown;
    expect(all.ranges).toEqual([{ partition, first: 0, last: 3, next: 0 }]);
    const none = await start({ since: '2020-01-01T00:00:00Z', before: '2020-01-02T00:00:00Z' });
    expect(none.body.result).toMatchObject({ state: 'completed', ranges: [], progress: 1 });
    await api.send('DELETE', `${replay}/${all.id}`);
  });

  it('go elsewhere when they are told to, but not with the secrets of the job', async () => {
    const offsets = [{ partition, first: 0, last: 0 }];
    const other = await start({ offsets, destination_conf: 'https://example.com/in' });
    expect(other.body.result).toMatchObject({ destination: 'https://example.com' });
    const { id } = other.body.result as Shown;
    await api.send('DELETE', `${replay}/${id}`);
    const stolen = conf.replace('bucket', 'other').replace('topsecret', 'REDACTED');
    const refused = await start({ offsets, destination_conf: stolen });
    expect(refused.status).toBe(400);
    expect(refused.body.errors[0]?.source?.pointer).toBe('/destination_conf');
  });

  it('go to no place that only a proof of ownership opens', async () => {
    const offsets = [{ partition, first: 0, last: 0 }];
    const refused = await start({ offsets, destination_conf: 'gs://somebody-elses-bucket/logs' });
    expect(refused.status).toBe(400);
    expect(refused.body.errors[0]).toMatchObject({
      message: expect.stringContaining('create a job for it, and replay that job') as string,
      source: { pointer: '/destination_conf' },
    });
  });

  it('are counted by a dry run, which starts nothing', async () => {
    const before = await api.send('GET', replay);
    const counted = await start({ since: '2020-01-01T00:00:00Z', dry_run: true });
    expect(counted.status).toBe(200);
    expect(counted.body.result).toEqual({
      ...{ dry_run: true, complete: true, examined: 4, records: 2, undecodable: 1 },
      ranges: [{ partition, first: 0, last: 3, next: 4 }],
    });
    const last = await start({ offsets: [{ partition, first: 2, last: 2 }], dry_run: true });
    expect(last.body.result).toMatchObject({ examined: 1, records: 1 });
    expect((await api.send('GET', replay)).body.result).toEqual(before.body.result);
  });

  it('are at most four of a job at a time', async () => {
    const offsets = [{ partition, first: 0, last: 0 }];
    const ids: number[] = [];
    for (let i = 0; i < 4; i++) ids.push(((await start({ offsets })).body.result as Shown).id);
    const fifth = await start({ offsets });
    expect(fifth.status).toBe(403);
    expect(fifth.body.errors[0]?.message).toMatch(/^4 replays of this job are running/);
    for (const id of ids) await api.send('DELETE', `${replay}/${id}`);
  });

  it.each([
    [{}, '/since', 'since must be given, or else offsets'],
    [{ since: 'yesterday' }, '/since', 'since must be a time such as'],
    [
      { since: '2026-01-02T00:00:00Z', before: '2026-01-01T00:00:00Z' },
      '/before',
      'before must be later than since',
    ],
    [{ offsets: [] }, '/offsets', 'offsets must name at least one partition'],
    [{ offsets: [{ partition: 0, first: 2, last: 1 }] }, '/offsets', 'lies before its first'],
    [{ offsets: [{ partition: 99, first: 0, last: 1 }] }, '/offsets', 'no partition 99'],
    [{ offsets: [{ partition: 0, first: 0, last: 9000 }] }, '/offsets', 'are not all in the log'],
    [{ since: '2026-01-01T00:00:00Z', speed: 1 }, '/speed', 'speed is not a property of a replay'],
    [
      { since: '2026-01-01T00:00:00Z', max_records_per_second: 0 },
      '/max_records_per_second',
      'must be at least 1',
    ],
  ])('that make no sense are refused: %j', async (body, pointer, message) => {
    const answer = await start(body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0]?.source?.pointer).toBe(pointer);
    expect(answer.body.errors[0]?.message).toContain(message);
  });

  it("are nobody else's, and need the permission of jobs", async () => {
    const offsets = [{ partition, first: 0, last: 0 }];
    const { id } = (await start({ offsets })).body.result as Shown;
    const foreign = `/client/v4/accounts/a2/logpush/jobs/${jobId}/replay`;
    expect((await api.send('POST', foreign, { offsets })).status).toBe(404);
    expect((await api.send('GET', foreign)).status).toBe(404);
    expect((await api.send('GET', `${foreign}/${id}`)).status).toBe(404);
    expect((await api.send('DELETE', `${foreign}/${id}`)).status).toBe(404);
    const token = await api.createToken({ accountIds: ['a1'], permissions: [] });
    const answer = await api.app.inject({
      ...{ method: 'GET', url: replay, headers: { authorization: `Bearer ${token}` } },
    });
    expect(answer.statusCode).toBe(403);
    await api.send('DELETE', `${replay}/${id}`);
  });
});
