import { PERMISSIONS, type Tenant } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/**
 * Goal: whoever may read one tenant's audit log learns nothing of another's, on no path.
 * Method: two accounts and an organization with equal events but for a word that must never be seen, and a
 * token with every permission for the one account. New paths are walked as soon as they are served.
 */
const SECRET = 'pLaNtEd';
const ALICE = 'alice@example.com';
const WINDOW = 'since=2026-05-01&before=2026-06-01';
const IS_AUDIT = /\/(?:logs\/audit|audit_logs)(?:\/|$)/;
const VICTIMS: readonly Tenant[] = [account('victim'), { kind: 'organization', id: 'victim-org' }];

let api: ApiFixture;
let token: string;
let stranger: string;

const eventsOf = (tenant: Tenant, word: string) =>
  Array.from({ length: 5 }, (_, index) =>
    auditEntry({
      ...{ tenant, id: `${word}-${index}`, timeMicros: MAY_21_MICROS + index },
      ...{
        account_name: word,
        action_description: word,
        actor_email: ALICE,
        zone_name: 'example.com',
      },
      ...{ actor_ip_address: '10.0.0.1', actor_id: 'alice', resource_id: 'page' },
      ...{ resource_product: 'pages', metadata: JSON.stringify({ word }) },
    }),
  );

beforeAll(async () => {
  api = await startApi();
  for (const victim of VICTIMS) await put(api.audit, eventsOf(victim, SECRET));
  await put(api.audit, eventsOf(account('own'), 'plain'));
  const permissions = [...PERMISSIONS];
  token = await api.createToken({ accountIds: ['own'], permissions, email: ALICE });
  stranger = await api.createToken({ accountIds: ['victim'], permissions, email: ALICE });
});
afterAll(() => api.close());

async function get(url: string, by = token) {
  const headers = { authorization: `Bearer ${by}` };
  const { statusCode: status, body: text } = await api.app.inject({ url, headers });
  return { status, text };
}

async function cursorOf(path: string): Promise<string> {
  const { text } = await get(path, stranger);
  return (JSON.parse(text) as { result_info: { cursor: string } }).result_info.cursor;
}

describe('a token of another account', () => {
  const queries = ['', `?${WINDOW}`, `?${WINDOW}&action_time=2026-05-21T00:00:00Z`, '?export=true'];

  it('is refused on every path of a tenant, and sees nothing of it on any other', async () => {
    const routes = api.routes.filter((route) => IS_AUDIT.test(route));
    expect(routes.length).toBeGreaterThan(8);
    for (const route of routes) {
      const [method, path] = route.split(' ') as ['GET', string];
      const url = path
        .replace(':account_id', 'victim')
        .replace(':organization_id', 'victim-org')
        .replaceAll(/:\w+/g, `${SECRET}-0`);
      for (const query of queries) {
        const headers = { authorization: `Bearer ${token}` };
        const { statusCode, body } = await api.app.inject({
          method,
          url: `${url}${query}`,
          headers,
        });
        expect(body.replaceAll(url, ''), `${method} ${url}${query}`).not.toContain(SECRET);
        if (url !== path) expect(statusCode, `${method} ${url}${query}`).toBe(403);
      }
    }
  });

  it('sees nothing of others in its own log, whatever it asks for', async () => {
    const own = '/client/v4/accounts/own';
    for (const asked of [
      `/logs/audit?${WINDOW}`,
      `/logs/audit?${WINDOW}&id=${SECRET}-0`,
      `/logs/audit?${WINDOW}&account_name=${SECRET}`,
      `/logs/audit?${WINDOW}&search=${SECRET}`,
      `/logs/audit?order=ingested`,
      `/logs/audit/download?${WINDOW}`,
      `/logs/audit/${SECRET}-0/history?${WINDOW}&action_time=2026-05-21T00:00:00Z`,
      `/logs/audit/plain-0/history?${WINDOW}&action_time=2026-05-21T00:00:00Z`,
      '/audit_logs',
      `/audit_logs?id=${SECRET}-0`,
      '/audit_logs?actor.ip=10.0.0.0/8',
      '/audit_logs?export=true',
    ]) {
      const { status, text } = await get(`${own}${asked}`);
      expect(text.replaceAll(`${SECRET}-0/history`, ''), asked).not.toContain(`"${SECRET}`);
      expect([200, 404], asked).toContain(status);
      const isOfOthers = asked.includes(SECRET);
      expect(text.includes('plain-0'), asked).toBe(!isOfOthers);
    }
    const { text } = await get('/client/v4/user/audit_logs');
    expect(JSON.parse(text)).toMatchObject({ result: { length: 5 } });
    expect(text).not.toContain(SECRET);
  });

  it.each([`${WINDOW}&limit=2`, 'order=ingested&limit=2'])(
    'cannot go on with a cursor of another account: %s',
    async (query) => {
      const cursor = await cursorOf(`/client/v4/accounts/victim/logs/audit?${query}`);
      expect(cursor).not.toBe('');
      const path = `/client/v4/accounts/own/logs/audit?${query}&cursor=${cursor}`;
      const { status, text } = await get(path);
      expect(status).toBe(400);
      expect(text).toContain("query parameter 'cursor'");
      expect((await get(path.replace('/own/', '/victim/'), stranger)).status).toBe(200);
    },
  );

  it('cannot go on with a cursor of the history of another account', async () => {
    const query = `${WINDOW}&action_time=2026-05-21T00:00:00Z&limit=2`;
    const historyOf = (tenant: string, id: string) =>
      `/client/v4/accounts/${tenant}/logs/audit/${id}/history?${query}`;
    const cursor = await cursorOf(historyOf('victim', `${SECRET}-0`));
    expect(cursor).not.toBe('');
    expect((await get(`${historyOf('own', 'plain-0')}&cursor=${cursor}`)).status).toBe(400);
  });
});
