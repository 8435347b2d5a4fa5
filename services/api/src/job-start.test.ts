import { LogUnavailableError } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

const JOBS = '/client/v4/accounts/a1/logpush/jobs';
const minimal = {
  dataset: 'audit_logs_v2',
  destination_conf: 's3://bucket?region=eu-west-1&access-key-id=AKIA1&secret-access-key=s',
};

describe('where a job starts', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  async function create(body: object = {}) {
    const answer = await api.send('POST', JOBS, { ...minimal, ...body });
    return answer.body.result as { id: number };
  }
  const append = async (count: number) =>
    api.log.append(Array.from({ length: count }, () => ({ key: 'a1', value: Buffer.from('x') })));
  const ends = async () =>
    new Map((await api.log.bounds()).map(({ partition, end }) => [partition, end]));

  it('is the end of the log at its first enabling, not at later ones', async () => {
    await append(3);
    const { id } = await create();
    await append(2);
    const start = await ends();
    await api.send('PUT', `${JOBS}/${id}`, { enabled: true });
    expect(await api.cursorsOf(id)).toEqual(start);
    await api.send('PUT', `${JOBS}/${id}`, { enabled: false });
    await append(4);
    await api.send('PUT', `${JOBS}/${id}`, { enabled: true });
    expect(await api.cursorsOf(id)).toEqual(start);
  });

  it('is the end of the log for a job that is created enabled', async () => {
    await append(3);
    const { id } = await create({ enabled: true });
    expect(await api.cursorsOf(id)).toEqual(await ends());
  });

  it('must be known: without the log nothing is saved', async () => {
    const { id } = await create();
    const saved = await api.stores.jobs.list('a1');
    api.breakLog(new LogUnavailableError('no broker answers'));
    onTestFinished(() => api.breakLog(undefined));
    for (const [method, path, body] of [
      ['POST', JOBS, { ...minimal, enabled: true }],
      ['PUT', `${JOBS}/${id}`, { enabled: true }],
    ] as const) {
      const answer = await api.send(method, path, body);
      expect(answer.status).toBe(503);
      expect(answer.body.errors[0]?.message).toBe(
        'the job was not saved, as the log could not be asked where the job is to start: no broker answers; try again',
      );
      expect(answer.headers['retry-after']).toBe('2');
    }
    expect(await api.stores.jobs.list('a1')).toEqual(saved);
    expect(saved.find((job) => job.id === id)?.spec.enabled).toBe(false);
    // What needs no place in the log goes on.
    expect((await api.send('PUT', `${JOBS}/${id}`, { name: 'renamed' })).status).toBe(200);
  });
});
