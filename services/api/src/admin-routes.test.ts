import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { CreatedToken, ShownToken } from './token-admin.ts';

const TOKENS = '/admin/v1/tokens';
const ORDER = { account_ids: ['acme'], permissions: ['Logs Write'] };

let api: ApiFixture;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

async function create(order: object = ORDER): Promise<CreatedToken> {
  const answer = await api.send('POST', TOKENS, order);
  expect(answer.status).toBe(201);
  return answer.body.result as CreatedToken;
}

async function use(token: string, account = 'acme'): Promise<number> {
  const url = `/client/v4/accounts/${account}/logpush/jobs`;
  const headers = { authorization: `Bearer ${token}` };
  return (await api.app.inject({ url, headers })).statusCode;
}

describe('/admin/v1/tokens', () => {
  it('makes a token that works, and shows it once', async () => {
    const { value, ...shown } = await create({ ...ORDER, name: 'ci', email: 'a@example.com' });
    expect(shown).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      ...{
        name: 'ci',
        email: 'a@example.com',
        account_ids: ['acme'],
        organization_ids: [],
        permissions: ['Logs Write'],
      },
      ...{ allowed_addresses: [], not_before: null, expires_on: null, status: 'active' },
      created_on: expect.any(String) as string,
    });
    expect(await use(value)).toBe(200);
    expect(await use(value, 'other')).toBe(403);
    const listed = await api.send('GET', TOKENS);
    expect(listed.body.result).toContainEqual(shown);
    expect(listed.text).not.toContain(value.slice(-20));
    expect(api.logged()).not.toContain(value.slice(-20));
  });

  it('revokes it, and says so as often as it is asked', async () => {
    const { value, id } = await create();
    for (let times = 0; times < 2; times += 1) {
      const answer = await api.send('DELETE', `${TOKENS}/${id}`);
      expect((answer.body.result as ShownToken).status).toBe('revoked');
    }
    expect(await use(value)).toBe(401);
    expect((await api.send('DELETE', `${TOKENS}/nobody`)).status).toBe(404);
  });

  it('says whether a token has its time', async () => {
    const past = '2020-01-01T00:00:00Z';
    const future = '2199-01-01T02:00:00+02:00';
    const statuses = [];
    for (const limits of [{ expires_on: past }, { not_before: future }, { expires_on: future }]) {
      const { status, expires_on } = await create({ ...ORDER, ...limits });
      statuses.push([status, expires_on]);
    }
    expect(statuses).toEqual([
      ['expired', '2020-01-01T00:00:00.000Z'],
      ['not yet active', null],
      ['active', '2199-01-01T00:00:00.000Z'],
    ]);
  });

  it.each<[object, RegExp]>([
    [{ permissions: ORDER.permissions }, /^account_ids must name an account, or organization_ids/],
    [{ ...ORDER, account_ids: [] }, /^account_ids must name an account.*null for all$/],
    [{ ...ORDER, account_ids: ['a b'] }, /^account_ids/],
    [{ ...ORDER, organization_ids: ['a b'] }, /^organization_ids/],
    [
      { ...ORDER, account_ids: null, organization_ids: ['acme'] },
      /^organization_ids must be left out/,
    ],
    [{ ...ORDER, permissions: ['Everything'] }, /^permissions may name .*Logs Write/],
    [{ ...ORDER, permissions: [] }, /^permissions must name at least one/],
    [{ ...ORDER, email: 'nobody' }, /^email must be an e-mail address/],
    [{ ...ORDER, expires_on: 'tomorrow' }, /^expires_on must be an RFC 3339/],
    [{ ...ORDER, allowed_addresses: ['10.0.0.0/33'] }, /^allowed_addresses/],
    [{ ...ORDER, allowed_addresses: ['example.com'] }, /^allowed_addresses/],
    [{ ...ORDER, accounts: ['acme'] }, /the body must be an object of name/],
  ])('refuses %j by name', async (order, message) => {
    const answer = await api.send('POST', TOKENS, order);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0]?.message).toMatch(message);
  });

  it('is for the admin token alone', async () => {
    const { value } = await create({ account_ids: null, permissions: ['Logs Write'] });
    const headers = { authorization: `Bearer ${value}` };
    const answer = await api.app.inject({ url: TOKENS, headers });
    expect(answer.statusCode).toBe(403);
    expect(answer.body).toContain('this takes the admin token');
  });
});
