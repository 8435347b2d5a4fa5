import { InvalidDestinationError, type AttemptResult } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { DestinationCheck } from './destination-check.ts';
import type { DestinationConfs } from './job-changes.ts';

const JOBS = '/client/v4/accounts/a/logpush/jobs';
const HTTPS = 'https://logs.example.com/in?header_Authorization=Bearer%20canary';
const DELIVERED: AttemptResult = { verdict: { kind: 'delivered' } };
const REFUSED: AttemptResult = {
  verdict: { kind: 'refused' },
  status: 405,
  message: 'error 405: error pushing: error uploading to https: 405 no POST here',
};

describe('the test upload', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());
  beforeEach(() => api.answerProbes(async () => DELIVERED));

  /** How many test uploads a request makes. */
  async function probesOf(method: 'POST' | 'PUT', path: string, body: object) {
    const before = api.probed.length;
    const answer = await api.send(method, path, body);
    return { answer, probed: api.probed.slice(before) };
  }

  async function createJob(): Promise<number> {
    const order = { dataset: 'audit_logs_v2', destination_conf: HTTPS };
    const { answer, probed } = await probesOf('POST', JOBS, order);
    expect(answer.status).toBe(201);
    expect(probed).toEqual([HTTPS]);
    return (answer.body.result as { id: number }).id;
  }

  it('is made once before a job is created, with the secrets', createJob);

  it('keeps a job from being created when it does not arrive', async () => {
    api.answerProbes(async () => REFUSED);
    const order = { dataset: 'audit_logs_v2', destination_conf: HTTPS };
    const answer = await api.send('POST', JOBS.replace('/a/', '/none/'), order);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([
      {
        code: 1002,
        message:
          'error validating destination: error writing object: error uploading to https: 405 no POST here',
        source: { pointer: '/destination_conf' },
      },
    ]);
    const jobs = await api.send('GET', JOBS.replace('/a/', '/none/'));
    expect(jobs.body.result).toEqual([]);
  });

  it('is made when a change gives another destination, which is kept only if it arrives', async () => {
    const id = await createJob();
    const other = `${HTTPS}&tags=x`;
    api.answerProbes(async () => REFUSED);
    const refused = await probesOf('PUT', `${JOBS}/${id}`, { destination_conf: other });
    expect(refused).toMatchObject({ answer: { status: 400 }, probed: [other] });
    const read = await api.send('GET', `${JOBS}/${id}`);
    expect(read.body.result).not.toHaveProperty(
      'destination_conf',
      expect.stringContaining('tags=x'),
    );
    api.answerProbes(async () => DELIVERED);
    const taken = await probesOf('PUT', `${JOBS}/${id}`, { destination_conf: other });
    expect(taken).toMatchObject({ answer: { status: 200 }, probed: [other] });
  });

  it.each([
    { enabled: true },
    { destination_conf: HTTPS },
    { destination_conf: HTTPS.replace('Bearer%20canary', 'REDACTED'), name: 'renamed' },
  ])('is not made by a change that leaves the destination alone: %j', async (body) => {
    const id = await createJob();
    api.answerProbes(async () => REFUSED);
    const { answer, probed } = await probesOf('PUT', `${JOBS}/${id}`, body);
    expect({ status: answer.status, probed }).toEqual({ status: 200, probed: [] });
  });

  it('is not made for a job that is refused anyway', async () => {
    for (const wrong of [{ name: 'has space' }, { filter: '{}' }, { dataset: 'nope' }]) {
      const order = { dataset: 'audit_logs_v2', destination_conf: HTTPS, ...wrong };
      const { answer, probed } = await probesOf('POST', JOBS, order);
      expect({ status: answer.status, probed }).toEqual({ status: 400, probed: [] });
    }
  });
});

describe('DestinationCheck', () => {
  const clock = new FakeClock();
  const checkWith = (probe: DestinationConfs['probe']) =>
    new DestinationCheck({ destinations: { probe } as DestinationConfs, clock });

  it('names the fault first where there was no answer', async () => {
    const message =
      'error 1105: error pushing: error uploading to https: 1105 DNSError: the host does not exist (ENOTFOUND)';
    const check = checkWith(async () => ({ verdict: { kind: 'retry' }, message }));
    await expect(check.require('a', HTTPS)).rejects.toThrow(
      new InvalidDestinationError(
        'error validating destination: error writing object: DNSError: the host does not exist (ENOTFOUND)',
      ),
    );
  });

  it('ends after 15 seconds', async () => {
    let reason: unknown;
    const check = checkWith(
      (_conf, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            resolve({ verdict: { kind: 'retry' }, message: 'late' });
          });
        }),
    );
    const refused = expect(check.require('a', HTTPS)).rejects.toThrow('writing object: late');
    await clock.advance(14_999);
    expect(reason).toBeUndefined();
    await clock.advance(1);
    await refused;
    expect(clock.pendingTimers).toBe(0);
    expect(String(reason)).toContain('no answer within 15 seconds');
  });

  it('sends away who has ten under way, and all when 64 are, until one ends', async () => {
    const ends: ((result: AttemptResult) => void)[] = [];
    const check = checkWith(() => new Promise((resolve) => ends.push(resolve)));
    const pending: Promise<void>[] = [];
    for (let index = 0; index < 10; index += 1) pending.push(check.require('a', HTTPS));
    await expect(check.require('a', HTTPS)).rejects.toMatchObject({ status: 429 });
    for (let index = 10; index < 64; index += 1) {
      pending.push(check.require(`b${index}`, HTTPS));
    }
    await expect(check.require('c', HTTPS)).rejects.toMatchObject({ status: 429 });
    ends.shift()?.(DELIVERED);
    await pending.shift();
    pending.push(check.require('a', HTTPS));
    for (const end of ends) end(DELIVERED);
    await Promise.all(pending);
  });

  it('frees its place also after a failure', async () => {
    const check = checkWith(async () => REFUSED);
    for (let index = 0; index < 100; index += 1) {
      await expect(check.require('a', HTTPS)).rejects.toThrow('405');
    }
  });
});
