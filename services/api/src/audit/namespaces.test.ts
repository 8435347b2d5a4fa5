import { PERMISSIONS, type Tenant } from '@trailpush/core';
import { encodeEvent } from '@trailpush/datasets';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { auditEvent } from '@trailpush/test/kit/events.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/**
 * Goal: accounts and organizations are two namespaces, on every path.
 * Method: an account and an organization of one id, with equal events but for a word, and a token with every
 * permission for each. New paths are walked as soon as they are served.
 */
const ID = 'twin';
const ALICE = 'alice@example.com';
const WINDOW = 'since=2026-05-01&before=2026-06-01';
const ACCOUNT = account(ID);
const ORGANIZATION: Tenant = { kind: 'organization', id: ID };
const EVENTS = 5;

const sides = [
  { tenant: ACCOUNT, other: ORGANIZATION, path: `/client/v4/accounts/${ID}` },
  { tenant: ORGANIZATION, other: ACCOUNT, path: `/client/v4/organizations/${ID}` },
] as const;
const tokens = new Map<Tenant, string>();
let api: ApiFixture;

const wordOf = ({ kind }: Tenant) => `${kind}word`;

const eventsOf = (tenant: Tenant) =>
  Array.from({ length: EVENTS }, (_, index) =>
    auditEntry({
      ...{ tenant, id: `${wordOf(tenant)}-${index}`, timeMicros: MAY_21_MICROS + index },
      ...{ action_description: wordOf(tenant), actor_email: ALICE, actor_id: 'alice' },
      ...{ actor_ip_address: '10.0.0.1', resource_id: 'page', resource_product: 'pages' },
    }),
  );

beforeAll(async () => {
  api = await startApi();
  for (const { tenant } of sides) {
    await put(api.audit, eventsOf(tenant));
    const ids = { accountIds: [] as string[], organizationIds: [] as string[] };
    (tenant === ACCOUNT ? ids.accountIds : ids.organizationIds).push(ID);
    const token = await api.createToken({ ...ids, permissions: [...PERMISSIONS], email: ALICE });
    tokens.set(tenant, token);
  }
});
afterAll(() => api.close());

async function call(by: Tenant, url: string, method: 'GET' | 'POST' = 'GET', payload?: string) {
  const headers = {
    authorization: `Bearer ${tokens.get(by) ?? ''}`,
    ...(payload !== undefined && { 'content-type': 'application/x-ndjson' }),
  };
  const answer = await api.app.inject({ method, url, headers, ...(payload && { payload }) });
  return { status: answer.statusCode, text: answer.body };
}

describe.each(sides)('the token of one $tenant.kind', ({ tenant, other, path }) => {
  it('is refused on every path of the other kind', async () => {
    const parameter = tenant === ACCOUNT ? ':organization_id' : ':account_id';
    const routes = api.routes.filter((route) => route.includes(parameter));
    expect(routes.length).toBeGreaterThan(5);
    for (const route of routes) {
      const [method, url] = route.split(' ') as ['GET', string];
      const asked = url.replace(parameter, ID).replaceAll(/:\w+/g, `${wordOf(other)}-0`);
      const { status, text } = await call(tenant, `${asked}?${WINDOW}`, method);
      expect(status, route).toBe(403);
      expect(text, route).toContain(`for ${other.kind} ${ID}`);
    }
  });

  it.each([
    `/logs/audit?${WINDOW}`,
    '/logs/audit?order=ingested',
    `/logs/audit?${WINDOW}&actor_email=${ALICE}`,
    `/logs/audit?${WINDOW}&search=alice`,
    `/logs/audit/download?${WINDOW}`,
    `/logs/audit/download?${WINDOW}&format=csv`,
    `/logs/audit/OWN-0/history?${WINDOW}&action_time=2026-05-21T00:00:00Z`,
    '/audit_logs',
    '/audit_logs?actor.ip=10.0.0.0/8',
    '/audit_logs?export=true',
  ])('reads the log of its tenant alone: %s', async (asked) => {
    if (tenant === ORGANIZATION && asked.startsWith('/audit_logs')) return;
    const { status, text } = await call(tenant, path + asked.replace('OWN', wordOf(tenant)));
    expect(status).toBe(200);
    expect(text.match(new RegExp(`${wordOf(tenant)}-\\d`, 'g'))).toHaveLength(EVENTS);
    expect(text).not.toContain(wordOf(other));
  });

  it.each([
    `/logs/audit?${WINDOW}&id=OTHER-0`,
    `/logs/audit?${WINDOW}&search=OTHER`,
    `/logs/audit/OTHER-0/history?${WINDOW}&action_time=2026-05-21T00:00:00Z`,
  ])('finds nothing of the other: %s', async (asked) => {
    const { status, text } = await call(tenant, path + asked.replace('OTHER', wordOf(other)));
    expect([200, 404]).toContain(status);
    expect(JSON.parse(text)).toMatchObject({ result_info: { count: 0 } });
  });

  it('counts its own events alone', async () => {
    const counts = `${path}/logs/audit/analytics`;
    const totals = await call(tenant, `${counts}/totals?${WINDOW}`);
    expect(JSON.parse(totals.text)).toMatchObject({ result: { total: EVENTS, unique_actors: 1 } });
  });

  it('writes events of its tenant alone', async () => {
    const lineOf = ({ kind, id }: Tenant) =>
      JSON.stringify({ [kind]: { id }, action: { type: 'create', result: 'success' } });
    const body = `${lineOf(tenant)}\n${lineOf(other)}\n`;
    const { status, text } = await call(tenant, '/ingest/v1/events', 'POST', body);
    expect(status).toBe(202);
    expect(JSON.parse(text)).toMatchObject({
      result: {
        ...{ accepted: 1, rejected: 1 },
        errors: [
          {
            line: 2,
            reason: `the token lacks the permission "Audit Logs Write" for ${other.kind} ${ID}`,
          },
        ],
      },
    });
  });

  it('cannot go on with a cursor of the other', async () => {
    for (const query of [`${WINDOW}&limit=2`, 'order=ingested&limit=2']) {
      const theirs = sides.find((side) => side.tenant === other)!;
      const first = await call(other, `${theirs.path}/logs/audit?${query}`);
      const { cursor } = (JSON.parse(first.text) as { result_info: { cursor: string } })
        .result_info;
      expect(cursor).not.toBe('');
      const next = await call(tenant, `${path}/logs/audit?${query}&cursor=${cursor}`);
      expect(next.status).toBe(400);
      expect(next.text).toContain("query parameter 'cursor'");
    }
  });

  it('is kept by a hold of its own tenant alone', async () => {
    const hold = { reason: 'case 7', by: 'ann', sinceMs: 1 };
    await api.retention.changeRule(tenant, { hold }, () => '{}');
    const entries = sides.flatMap((side) => eventsOf(side.tenant));
    const policy = { nowMs: Date.UTC(2030, 0), defaultMonths: 1 };
    const expired = await api.retention.findExpired(entries, policy);
    expect(new Set([...expired].map((entry) => entry.tenant.kind))).toEqual(new Set([other.kind]));
    await api.retention.changeRule(tenant, { hold: null }, () => '{}');
  });
});

it('what the user of a token did is asked of accounts alone', async () => {
  const own = await call(ACCOUNT, '/client/v4/user/audit_logs');
  expect(JSON.parse(own.text)).toMatchObject({ result: { length: EVENTS } });
  expect(own.text).not.toContain(wordOf(ORGANIZATION));
  expect((await call(ORGANIZATION, '/client/v4/user/audit_logs')).status).toBe(403);
});

it('saved queries are of the account', async () => {
  const saved = `/client/v4/accounts/${ID}/logs/audit/saved_queries`;
  await api.send('POST', saved, { name: 'mine', query: {} });
  expect((await call(ACCOUNT, saved)).text).toContain('mine');
  expect((await call(ORGANIZATION, saved)).status).toBe(403);
});

it('a token of both is told to each as an event of its own, which names no other', async () => {
  const ids = { account_ids: [ID], organization_ids: [ID] };
  await api.send('POST', '/admin/v1/tokens', { ...ids, permissions: ['Logs Read'] });
  const told = (await api.stores.outbox.take(1000, 1))
    .map(({ line }) => JSON.parse(line) as Record<string, unknown>)
    .filter((event) => (event['resource'] as { product: string }).product === 'tokens');
  expect(told).toMatchObject([
    {
      ...{ account: { id: ID } },
      resource: { scope: 'accounts', response: { account_ids: [ID], organization_ids: [] } },
    },
    {
      ...{ organization: { id: ID } },
      resource: { scope: 'organizations', response: { account_ids: [], organization_ids: [ID] } },
    },
  ]);
  expect(new Set(told.map(({ id }) => id)).size).toBe(2);
});

it('neither a preview nor a dry run of a replay shows or counts events of the organization', async () => {
  const id = 'logged';
  const jobs = `/client/v4/accounts/${id}/logpush`;
  const of = auditEvent({ id: 'of the account', accountId: id });
  const organization = { id, name: null };
  for (const event of [of, { ...of, id: 'foreign', account: null, organization }]) {
    await api.log.append([{ key: id, value: encodeEvent(event) }]);
  }
  const job = { dataset: 'audit_logs_v2', destination_conf: 'https://logs.example.com/in' };
  const preview = await api.send('POST', `${jobs}/preview`, { dataset: job.dataset });
  expect(preview.body.result).toMatchObject({ records: 1, events: 1, undecodable: 0 });
  expect(preview.text).not.toContain('foreign');
  const created = await api.send('POST', `${jobs}/jobs`, { ...job, enabled: true });
  const { id: jobId } = created.body.result as { id: number };
  const order = { since: '2020-01-01T00:00:00Z', dry_run: true };
  const counted = await api.send('POST', `${jobs}/jobs/${jobId}/replay`, order);
  expect(counted.body.result).toMatchObject({ records: 1, undecodable: 0 });
});
