import { MAX_OUTBOX_ENTRIES } from '@trailpush/core';
import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterEach, describe, expect, it } from 'vitest';

import { tokenId } from '../tokens.ts';

const WINDOW = 'since=2026-05-01&before=2026-06-01';
const LIST = '/client/v4/accounts/acme/logs/audit';
const VERSION_1 = '/client/v4/accounts/acme/audit_logs';

let api: ApiFixture;
afterEach(() => api.close());

async function start(tellReads: boolean): Promise<void> {
  api = await startApi({ tellReads });
  await put(
    api.audit,
    Array.from({ length: 5 }, (_, index) =>
      auditEntry({
        ...{ tenant: account('acme'), id: `event-${index}`, resource_id: 'page' },
        timeMicros: MAY_21_MICROS + index,
      }),
    ),
  );
}

async function told(): Promise<Record<string, Record<string, unknown>>[]> {
  const entries = await api.stores.outbox.take(1000, 60_000);
  await api.stores.outbox.remove(entries.map(({ id }) => id));
  return entries.map(({ line }) => JSON.parse(line) as Record<string, Record<string, unknown>>);
}

describe('a read of an audit log', () => {
  it('is an audit event that says who read what', async () => {
    await start(true);
    const token = await api.createToken({
      ...{ accountIds: ['acme'], permissions: ['Audit Logs Read'], email: 'ann@example.com' },
    });
    const url = `${LIST}?${WINDOW}&actor_email=a&actor_email=b&actor_type.not=user`;
    const headers = { authorization: `Bearer ${token}`, 'user-agent': 'siem/1' };
    expect((await api.app.inject({ url, headers })).statusCode).toBe(200);
    expect(await told()).toMatchObject([
      {
        account: { id: 'acme' },
        action: { description: 'Read audit logs', result: 'success', type: 'view' },
        actor: { type: 'user', email: 'ann@example.com', context: 'api_token' },
        raw: {
          ...{ method: 'GET', status_code: 200, uri: '/accounts/acme/logs/audit' },
          user_agent: 'siem/1',
        },
        resource: {
          ...{ product: 'audit_logs', type: 'query', scope: 'accounts' },
          request: {
            since: ['2026-05-01'],
            before: ['2026-06-01'],
            actor_email: ['a', 'b'],
            'actor_type.not': ['user'],
          },
        },
      },
    ]);
  });

  it('is one event however many pages follow, and for each query and reader one', async () => {
    await start(true);
    let cursor = '';
    for (let page = 0; page < 3; page += 1) {
      const { body } = await api.send('GET', `${LIST}?${WINDOW}&limit=2&cursor=${cursor}`);
      ({ cursor } = (body as unknown as { result_info: { cursor: string } }).result_info);
    }
    expect(cursor).toBe('');
    expect(await told()).toHaveLength(1);
    const pages = [1, 2, 3].map((page) => `${VERSION_1}?per_page=2&page=${page}`);
    for (const url of pages) await api.send('GET', url);
    expect(await told()).toHaveLength(1);
    // The same again, from the start, and by somebody who begins in the middle.
    await api.send('GET', pages[0]!);
    expect(await told()).toHaveLength(1);
    const token = await api.createToken({ accountIds: null, permissions: ['Audit Logs Read'] });
    const headers = { authorization: `Bearer ${token}` };
    for (const url of pages.slice(1)) await api.app.inject({ url, headers });
    expect(await told()).toHaveLength(1);
  });

  it('is told of every endpoint with events, exports included', async () => {
    await start(true);
    const history = `${LIST}/event-0/history?action_time=2026-05-21T00:00:00Z&${WINDOW}`;
    const organization = `/client/v4/organizations/org/logs/audit?${WINDOW}`;
    for (const url of [history, `${VERSION_1}?export=true`, organization]) {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
      expect((await api.app.inject({ url, headers })).statusCode).toBe(200);
    }
    const lines = await told();
    expect(lines.map(({ raw }) => raw?.['uri'])).toEqual([
      '/accounts/acme/logs/audit/event-0/history',
      '/accounts/acme/audit_logs',
      '/organizations/org/logs/audit',
    ]);
    expect(lines[2]).toMatchObject({ organization: { id: 'org' } });
  });

  it('of an organization names its token, and no account of the same id', async () => {
    await start(true);
    const permissions = ['Audit Logs Read'] as const;
    const token = await api.createToken({ organizationIds: ['acme'], permissions });
    const url = `/client/v4/organizations/acme/logs/audit?${WINDOW}`;
    await api.app.inject({ url, headers: { authorization: `Bearer ${token}` } });
    const [line] = await told();
    const actor = { type: 'user', id: tokenId(token), token_id: tokenId(token) };
    expect(line).toMatchObject({ organization: { id: 'acme' }, actor });
    expect(line).not.toHaveProperty('account');
  });

  it('is not told where nothing was read', async () => {
    await start(true);
    await api.send('GET', `${LIST}?since=1`);
    await api.send('GET', `${LIST}/product_categories`);
    await api.send('GET', `${LIST}/nobody/history?action_time=2026-05-21T00:00:00Z&${WINDOW}`);
    await api.send('GET', '/client/v4/user/audit_logs');
    await api.send('GET', '/client/v4/accounts/acme/logpush/jobs');
    expect(await told()).toEqual([]);
  });

  it('fails when it cannot be told', async () => {
    await start(true);
    const lines = Array.from({ length: MAX_OUTBOX_ENTRIES / 10 }, () => '{}');
    for (let part = 0; part < 10; part += 1) await api.stores.auditTrail.add(lines);
    const { status, body } = await api.send('GET', `${LIST}?${WINDOW}`);
    expect(status).toBe(503);
    expect(body).toMatchObject({ success: false, result: null, errors: [{ code: 1005 }] });
  });

  it('is only counted unless the operator wants events', async () => {
    await start(false);
    await api.send('GET', `${LIST}?${WINDOW}`);
    await api.send('GET', `${LIST}?since=1`);
    expect(await told()).toEqual([]);
    const { body } = await api.app.inject('/metrics');
    const route = 'route="/client/v4/accounts/:account_id/logs/audit"';
    expect(body).toContain(`trailpush_http_requests_total{${route},status="200"} 1`);
    expect(body).toContain(`trailpush_http_requests_total{${route},status="400"} 1`);
    expect(body).not.toContain('acme');
  });
});
