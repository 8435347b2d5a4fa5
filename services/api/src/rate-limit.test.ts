import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const JOBS = '/client/v4/accounts/a/logpush/jobs';
const CONF = { destination_conf: 'https://logs.example.com' };

describe('the rate limit', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi({ rateLimit: 20 });
  });
  afterAll(() => api.close());

  it('tells on every answer what is left, and sends away whoever has used it up', async () => {
    const first = await api.send('GET', JOBS);
    expect(first.headers.ratelimit).toBe('"default";r=19;t=300');
    expect(first.headers['ratelimit-policy']).toBe('"default";q=20;w=300');
    const missing = await api.send('GET', `${JOBS}/1`);
    expect(missing.status).toBe(404);
    expect(missing.headers.ratelimit).toMatch(/^"default";r=18;t=\d+$/);
    for (let left = 18; left > 0; left -= 1) await api.send('GET', JOBS);
    const refused = await api.send('GET', JOBS);
    expect(refused.status).toBe(429);
    expect(refused.headers.ratelimit).toMatch(/^"default";r=0;t=\d+$/);
    const seconds = Number(refused.headers['retry-after']);
    expect(seconds).toBeGreaterThan(200);
    expect(refused.body).toMatchObject({ success: false, result: null });
    expect(refused.body.errors).toEqual([
      {
        code: 1015,
        message: `more than 20 requests in 300 seconds: try again in ${seconds} seconds`,
      },
    ]);
  });

  it('counts each token for itself, and no request that has none', async () => {
    const other = await api.createToken({ permissions: ['Logs Write'], accountIds: null });
    const stranger = await api.app.inject(JOBS);
    expect(stranger.statusCode).toBe(401);
    expect(stranger.headers).not.toHaveProperty('ratelimit');
    const headers = { authorization: `Bearer ${other}` };
    const answer = await api.app.inject({ url: JOBS, headers });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers.ratelimit).toMatch(/^"default";r=19/);
  });

  it('leaves health, metrics and the document alone', async () => {
    for (const path of ['/healthz', '/metrics', '/openapi.json']) {
      const answer = await api.app.inject(path);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers).not.toHaveProperty('ratelimit');
    }
  });
});

describe('the rate limits of an address and of checks', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi({ rateLimit: 1_200 });
  });
  afterAll(() => api.close());

  it('let ten destinations a minute be checked', async () => {
    const check = `${JOBS.replace('jobs', 'validate')}/destination`;
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const statuses: number[] = [];
    for (let count = 0; count < 11; count += 1) {
      const answer = await api.app.inject({ method: 'POST', url: check, headers, payload: CONF });
      statuses.push(answer.statusCode);
    }
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 200), 429]);
    expect(api.probed).toHaveLength(10);
  });

  it('let nobody try more than 200 tokens a second', async () => {
    const guess = async () => (await api.app.inject(JOBS)).statusCode;
    expect(await guess()).toBe(401);
    const statuses = await Promise.all(Array.from({ length: 500 }, guess));
    expect(statuses).toContain(429);
  });
});
