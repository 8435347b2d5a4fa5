import type { NewToken } from '@trailpush/core';
import { startApi, TOKEN_SPEC as SPEC, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { mintToken, tokenId } from './tokens.ts';

const DAY_MS = 86_400_000;
const JOBS_OF_A = '/client/v4/accounts/a/logpush/jobs';
const WRITER: Partial<NewToken> = { accountIds: ['a'], permissions: ['Logs Write'] };

let api: ApiFixture;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

type Headers = Record<string, string>;
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });

const get = (url: string, headers: Headers, remoteAddress = '127.0.0.1') =>
  api.app.inject({ url, headers, remoteAddress });

function expectDenied(answer: LightMyRequestResponse): void {
  expect(answer.statusCode).toBe(401);
  expect(answer.json()).toEqual({
    errors: [{ code: 10_000, message: 'Authentication error' }],
    messages: [],
    success: false,
    result: null,
  });
}

describe('a token', () => {
  it('opens what it is for', async () => {
    const token = await api.createToken(WRITER);
    expect((await get(JOBS_OF_A, bearer(token))).statusCode).toBe(200);
  });

  it.each<[string, (token: string) => string]>([
    ['a digit of its id changed', (token) => token.replace(/[0-9](?=[0-9a-f]*_)/, 'a')],
    [
      'its last character changed',
      (token) => `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`,
    ],
    ['its end cut off', (token) => token.slice(0, -1)],
    ['something behind it', (token) => `${token}0`],
    ['its letters in upper case', (token) => token.toUpperCase()],
  ])('is refused with %s', async (_what, change) => {
    const token = await api.createToken(WRITER);
    expectDenied(await get(JOBS_OF_A, bearer(change(token))));
  });

  it('is refused when only its id is right', async () => {
    const spec = { ...SPEC, ...WRITER };
    const [sent, stored] = [mintToken(spec), mintToken(spec)];
    await api.stores.tokens.create({ ...sent.token, hash: stored.token.hash });
    expectDenied(await get(JOBS_OF_A, bearer(sent.text.reveal())));
    await api.stores.tokens.create(stored.token);
    expect((await get(JOBS_OF_A, bearer(stored.text.reveal()))).statusCode).toBe(200);
  });

  it.each<[string, Partial<NewToken>, number]>([
    ['before its time', { notBeforeMs: Date.now() + DAY_MS }, 401],
    ['since its time', { notBeforeMs: Date.now() - DAY_MS }, 200],
    ['after its end', { expiresAtMs: Date.now() - 1 }, 401],
    ['until its end', { expiresAtMs: Date.now() + DAY_MS }, 200],
    ['from another address', { allowedAddresses: ['192.0.2.0/24', '2001:db8::/32'] }, 401],
    ['from its address', { allowedAddresses: ['192.0.2.0/24', '127.0.0.1'] }, 200],
  ])('used %s', async (_what, limits, status) => {
    const token = await api.createToken({ ...WRITER, ...limits });
    const answer = await get(JOBS_OF_A, bearer(token));
    expect(answer.statusCode).toBe(status);
    if (status === 401) expectDenied(answer);
  });

  it.each(['::1', '2001:db8::5', '::ffff:192.0.2.7'])('knows the address %s', async (address) => {
    const allowedAddresses = ['192.0.2.0/24', '2001:db8::/32', '::1'];
    const token = await api.createToken({ ...WRITER, allowedAddresses });
    expect((await get(JOBS_OF_A, bearer(token), address)).statusCode).toBe(200);
    expectDenied(await get(JOBS_OF_A, bearer(token), '::ffff:198.51.100.7'));
  });

  it('is refused from the request on that follows its revocation', async () => {
    const token = await api.createToken(WRITER);
    expect((await get(JOBS_OF_A, bearer(token))).statusCode).toBe(200);
    await api.stores.tokens.revoke(tokenId(token)!);
    expectDenied(await get(JOBS_OF_A, bearer(token)));
  });
});

describe('the legacy headers', () => {
  it('take a token as the key of the e-mail that it was made for', async () => {
    const key = await api.createToken({ ...WRITER, email: 'Ann@example.com' });
    const answer = await get(JOBS_OF_A, { 'x-auth-email': 'ann@EXAMPLE.com', 'x-auth-key': key });
    expect(answer.statusCode).toBe(200);
  });

  it('refuse it for another e-mail, without one, and without a key', async () => {
    const key = await api.createToken({ ...WRITER, email: 'ann@example.com' });
    const unbound = await api.createToken(WRITER);
    for (const headers of [
      { 'x-auth-email': 'bob@example.com', 'x-auth-key': key },
      { 'x-auth-email': '', 'x-auth-key': unbound },
      { 'x-auth-email': 'null', 'x-auth-key': unbound },
      { 'x-auth-key': key },
      { 'x-auth-email': 'ann@example.com' },
    ]) {
      expectDenied(await get(JOBS_OF_A, headers));
    }
  });

  it('are not to be mixed with a bearer token', async () => {
    const key = await api.createToken({ ...WRITER, email: 'ann@example.com' });
    const headers = { ...bearer(key), 'x-auth-email': 'ann@example.com', 'x-auth-key': key };
    const answer = await get(JOBS_OF_A, headers);
    expect(answer.statusCode).toBe(400);
    expect(answer.body).toContain('send either Authorization or X-Auth-Email with X-Auth-Key');
  });
});

describe('the permissions of a token', () => {
  it('say which one is missing, and for which account', async () => {
    const token = await api.createToken({ accountIds: ['a'], permissions: ['Logs Read'] });
    const answer = await get(JOBS_OF_A, bearer(token));
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toEqual({
      errors: [
        {
          code: 10_000,
          message:
            'Authentication error: the token lacks the permission "Logs Write" for account a',
        },
      ],
      messages: [],
      success: false,
      result: null,
    });
  });

  it('end at their account, whether or not there is such a job', async () => {
    const created = await api.send('POST', '/client/v4/accounts/b/logpush/jobs', {
      dataset: 'audit_logs_v2',
      destination_conf: 'https://logs.example.com/in',
    });
    const { id } = created.body.result as { id: number };
    const token = await api.createToken(WRITER);
    const answers = await Promise.all(
      [id, id + 1].map((job) => get(`/client/v4/accounts/b/logpush/jobs/${job}`, bearer(token))),
    );
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([403, 403]);
    expect(answers[0]?.body).toBe(answers[1]?.body);
  });

  it('reach every account when the token is for all', async () => {
    const token = await api.createToken({ accountIds: null, permissions: ['Logs Write'] });
    const url = '/client/v4/accounts/any/logpush/jobs';
    expect((await get(url, bearer(token))).statusCode).toBe(200);
  });

  it('are needed for every route but those that verify a token', async () => {
    const token = await api.createToken({ accountIds: ['a'] });
    const open: string[] = [];
    for (const route of servedRoutes()) {
      const [method = '', path = ''] = route.split(' ');
      const url = path.replace(':account_id', 'a').replaceAll(/:\w+/g, '1');
      const payload = method === 'GET' ? {} : { payload: {} };
      const headers = bearer(token);
      const answer = await api.app.inject({ method: method as 'GET', url, headers, ...payload });
      if (answer.statusCode !== 403) open.push(route);
    }
    expect(open).toEqual(['GET /client/v4/user/tokens/verify']);
  });
});

/** Of the API itself: `METHOD /path/:parameter`. */
function servedRoutes(): readonly string[] {
  return api.routes.filter((route) => /^\w+ \/(?:client|ingest|admin)\//.test(route));
}

describe('an ingested line', () => {
  const line = (account: string) => JSON.stringify({ account: { id: account }, action: {} });
  const ingest = (token: string, ...accounts: string[]) =>
    api.app.inject({
      method: 'POST',
      url: '/ingest/v1/events',
      headers: { ...bearer(token), 'content-type': 'application/x-ndjson' },
      payload: accounts.map(line).join('\n'),
    });

  it('is taken for the accounts of the token alone, and each other one is named', async () => {
    const token = await api.createToken({ accountIds: ['a'], permissions: ['Audit Logs Write'] });
    const answer = await ingest(token, 'a', 'b', 'a');
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({
      result: {
        accepted: 2,
        rejected: 1,
        errors: [
          { line: 2, reason: 'the token lacks the permission "Audit Logs Write" for account b' },
        ],
      },
    });
    const refused = await ingest(token, 'b', 'c');
    expect(refused.statusCode).toBe(403);
    expect(refused.body).toContain('line 1: the token lacks');
  });

  it('is not taken with a token for something else', async () => {
    const answer = await ingest(await api.createToken(WRITER), 'a');
    expect(answer.statusCode).toBe(403);
    expect(answer.body).toContain('Audit Logs Write');
  });
});

describe('GET tokens/verify', () => {
  it('says that a token works, and until when', async () => {
    const expiresAtMs = Date.parse('2199-01-01T00:00:00Z');
    const notBeforeMs = Date.parse('2020-01-01T00:00:00.5Z');
    const token = await api.createToken({ ...WRITER, expiresAtMs, notBeforeMs });
    for (const url of ['/client/v4/user/tokens/verify', '/client/v4/accounts/a/tokens/verify']) {
      const answer = await get(url, bearer(token));
      expect(answer.statusCode).toBe(200);
      expect(answer.json()).toEqual({
        errors: [],
        messages: [{ code: 10_000, message: 'This API Token is valid and active' }],
        success: true,
        result: {
          id: tokenId(token),
          status: 'active',
          not_before: '2020-01-01T00:00:00.500Z',
          expires_on: '2199-01-01T00:00:00Z',
        },
      });
    }
    const elsewhere = await get('/client/v4/accounts/b/tokens/verify', bearer(token));
    expect(elsewhere.statusCode).toBe(403);
  });

  it('works with the admin token', async () => {
    const answer = await api.send('GET', '/client/v4/user/tokens/verify');
    expect(answer.body.result).toEqual({ id: 'admin', status: 'active' });
  });
});
