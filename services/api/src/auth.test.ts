import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';

import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const JOBS = '/client/v4/accounts/a1/logpush/jobs';

describe('who may call the API', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  it.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['a wrong token', { authorization: 'Bearer wrong' }],
    ['no token', { authorization: 'Bearer' }],
    ['an empty token', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: `Basic ${ADMIN_TOKEN}` }],
    ['the bare token', { authorization: ADMIN_TOKEN }],
    ['the beginning of the token', { authorization: `Bearer ${ADMIN_TOKEN.slice(0, -1)}` }],
    ['more than the token', { authorization: `Bearer ${ADMIN_TOKEN}x` }],
    ['the token and another', { authorization: `Bearer ${ADMIN_TOKEN} other` }],
    ['a token of 100,000 characters', { authorization: `Bearer ${'a'.repeat(100_000)}` }],
    ['an email without a key', { 'x-auth-email': 'a@example.com' }],
  ])('refuses %s with the one answer for all of them', async (_what, headers) => {
    for (const url of [JOBS, `${JOBS}/1`, '/client/v4/nowhere', '/ingest/v1/events']) {
      const answer = await api.app.inject({ url, headers });
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      expect(answer.json()).toEqual({
        errors: [{ code: 10000, message: 'Authentication error' }],
        messages: [],
        success: false,
        result: null,
      });
    }
  });

  it('refuses two Authorization headers, of which a proxy may have judged the other', async () => {
    await api.app.listen({ port: 0, host: '127.0.0.1' });
    const answerTo = async (headers: string) => {
      const socket = connect((api.app.server.address() as AddressInfo).port, '127.0.0.1');
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.write(`GET ${JOBS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${headers}\r\n`);
      await once(socket, 'close');
      return text.split('\r\n')[0];
    };
    const good = `Authorization: Bearer ${ADMIN_TOKEN}\r\n`;
    expect(await answerTo(good)).toBe('HTTP/1.1 200 OK');
    expect(await answerTo(`${good}authorization: Bearer other\r\n`)).toBe(
      'HTTP/1.1 401 Unauthorized',
    );
  });

  it('leaves health and metrics open', async () => {
    expect((await api.app.inject('/healthz')).statusCode).toBe(200);
    expect((await api.app.inject('/metrics')).statusCode).toBe(200);
  });

  it.each([
    ['/client/v4/accounts/a%2F..%2Fb/logpush/jobs', 404],
    ['/client/v4/accounts/a%00/logpush/jobs', 404],
    [`/client/v4/accounts/${'a'.repeat(65)}/logpush/jobs`, 404],
    ['/client/v4/accounts/a b/logpush/jobs', 404],
    ['/client/v4/accounts//logpush/jobs', 404],
    ['/client/v4/zones/z1/logpush/edge', 404],
    [`${JOBS}/9007199254740993`, 404],
    [`${JOBS}/1e3`, 400],
    [`${JOBS}/-1`, 400],
    [`${JOBS}/0x1`, 400],
  ])('answers %s in the envelope with %i', async (path, status) => {
    const answer = await api.send('GET', path);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ success: false, messages: [], result: null });
    expect(answer.body.errors[0]?.code).toBeGreaterThanOrEqual(1000);
  });

  it('says that there is no such route', async () => {
    const answer = await api.send('GET', '/client/v4/nowhere');
    expect(answer.body.errors).toEqual([{ code: 7000, message: 'No route for the URI' }]);
  });
});
