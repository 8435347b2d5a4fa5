import { LogUnavailableError } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { MemoryTopic } from '@trailpush/test/kit/memory-log.ts';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { startOfJob } from './job-start.ts';

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

  it('is start_at where that is given, at the creation or the first enabling', async () => {
    await append(2);
    const lastMs = Date.now();
    await expect.poll(() => Date.now()).toBeGreaterThan(lastMs);
    const start = await ends();
    const start_at = new Date().toISOString();
    await append(3);
    const { id } = await create({ enabled: true, start_at });
    expect(await api.cursorsOf(id)).toEqual(start);
    const later = await create({ start_at: null });
    await api.send('PUT', `${JOBS}/${later.id}`, { enabled: true, start_at });
    expect(await api.cursorsOf(later.id)).toEqual(start);
    const old = await create({ enabled: true, start_at: '2020-01-01T01:00:00+01:00' });
    expect([...(await api.cursorsOf(old.id)).values()]).toEqual([...start.keys()].map(() => 0));
    const shown = await api.send('GET', `${JOBS}/${id}`);
    expect(shown.body.result).not.toHaveProperty('start_at');
  });

  it.each([
    [{ enabled: true, start_at: 'yesterday' }, 'start_at must be a time such as'],
    [{ enabled: true, start_at: '2999-01-01T00:00:00Z' }, 'start_at lies in the future, as it is'],
    [{ start_at: '2020-01-01T00:00:00Z' }, 'start_at needs "enabled": true'],
  ])('is refused with nothing saved: %j', async (body, message) => {
    const saved = await api.stores.jobs.list('a1');
    const answer = await api.send('POST', JOBS, { ...minimal, ...body });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0]?.source?.pointer).toBe('/start_at');
    expect(answer.body.errors[0]?.message).toContain(message);
    expect(await api.stores.jobs.list('a1')).toEqual(saved);
  });

  it('cannot be moved once the job has it', async () => {
    const { id } = await create({ enabled: true });
    const start = await api.cursorsOf(id);
    for (const enabled of [true, false]) {
      const body = { enabled, start_at: '2020-01-01T00:00:00Z' };
      const answer = await api.send('PUT', `${JOBS}/${id}`, body);
      expect(answer.status).toBe(400);
      expect(answer.body.errors[0]?.message).toContain('only be given when a job is first enabled');
    }
    expect(await api.cursorsOf(id)).toEqual(start);
  });
});

describe('start_at on a log that retention has cut', () => {
  const clock = new FakeClock();
  const topic = new MemoryTopic({ clock, partitions: 2 });
  const log = topic.open();
  const key = 'a1';
  const own = topic.partitionOf(key);
  const at: number[] = [];
  beforeAll(async () => {
    for (let i = 0; i < 4; i++) {
      topic.append([{ key, value: Buffer.from('x') }]);
      at.push(clock.now());
      await clock.advance(1000);
    }
    topic.trim(own, 2);
  });
  const start = async (startAtMs: number) => (await startOfJob(key, startAtMs, { log })).offsets;

  it('may be any time that the log holds', async () => {
    expect((await start(at[2]!)).get(own)).toBe(2);
    expect((await start(at[2]! + 1)).get(own)).toBe(3);
    expect((await start(at[3]! + 1)).get(own)).toBe(4);
  });

  it('is refused before that, with the oldest time that it may be', async () => {
    await expect(start(at[2]! - 1)).rejects.toThrow(
      `start_at lies before what is left in the log, which begins at ${new Date(at[2]!).toISOString()}: send that time or a later one`,
    );
  });

  it('is refused when nothing is left', async () => {
    topic.trim(own, 4);
    await expect(start(at[3]!)).rejects.toThrow('which holds no event from before now');
  });
});
