import type { AuditEntry } from '@trailpush/core';
import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

let api: ApiFixture;
let tests = 0;
/** Of each test its own. */
let id: string;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());
beforeEach(() => {
  tests += 1;
  id = `account-${tests}`;
});

async function get(path: string, token = ADMIN_TOKEN) {
  const headers = { authorization: `Bearer ${token}` };
  const {
    statusCode: status,
    body: text,
    headers: sent,
  } = await api.app.inject({
    ...{ url: `/client/v4${path}`, headers },
  });
  const body = text.startsWith('{')
    ? (JSON.parse(text) as { result: unknown; errors: unknown })
    : undefined;
  const items = (body?.result ?? []) as { readonly id: string }[];
  return {
    status,
    text,
    headers: sent,
    errors: body?.errors,
    items,
    ids: items.map((of) => of.id),
  };
}

function entries(count: number, facts: (index: number) => Partial<AuditEntry> = () => ({})) {
  return Array.from({ length: count }, (_, index) =>
    auditEntry({
      ...{ tenant: account(id), id: `event-${index}` },
      timeMicros: MAY_21_MICROS - index * 1000,
      ...facts(index),
    }),
  );
}

describe('an item of version 1', () => {
  it('has every fact of an event', async () => {
    const texts = {
      action_result: 'success',
      action_type: 'create',
      actor_email: 'alice@example.com',
      actor_id: 'a1',
      actor_ip_address: '2001:db8::1',
      actor_type: 'user',
      interface: 'API',
      owner_id: 'o1',
      resource_id: 'r1',
      resource_type: 'member',
      metadata: '{"a": "é\\u2028"}',
      new_value: '{"x":[1.0]}',
      old_value: '"low"',
      // Not in version 1.
      action_description: 'Add Member',
      resource_product: 'members',
    };
    await put(
      api.audit,
      entries(1, () => ({ ...texts, timeMicros: MAY_21_MICROS + 123_456 })),
    );
    const { text, items } = await get(`/accounts/${id}/audit_logs`);
    expect(items).toEqual([
      {
        id: 'event-0',
        action: { result: true, type: 'create' },
        actor: { email: 'alice@example.com', id: 'a1', ip: '2001:db8::1', type: 'user' },
        interface: 'API',
        metadata: { a: 'é\u2028' },
        newValue: '{"x":[1.0]}',
        newValueJson: { x: [1] },
        oldValue: 'low',
        owner: { id: 'o1' },
        resource: { id: 'r1', type: 'member' },
        when: '2026-05-21T00:00:00.123456Z',
      },
    ]);
    expect(text).toContain('"newValueJson":{"x":[1.0]}');
  });

  it('leaves out what the producer did not say, and shows what was empty', async () => {
    await put(api.audit, [...entries(1), ...entries(2, () => ({ actor_email: '' })).slice(1)]);
    const { items } = await get(`/accounts/${id}/audit_logs`);
    const when = '2026-05-21T00:00:00Z';
    const bare = { action: { result: false }, metadata: {}, owner: {}, resource: {} };
    expect(items).toEqual([
      { id: 'event-0', ...bare, actor: {}, when },
      { id: 'event-1', ...bare, actor: { email: '' }, when: '2026-05-20T23:59:59.999Z' },
    ]);
  });

  it.each([
    ['user', 'user'],
    ['account', 'user'],
    ['cloudflare_admin', 'admin'],
    ['admin', 'admin'],
    ['system', 'Cloudflare'],
    ['delegated_service', 'Cloudflare'],
    ['', undefined],
    ['robot', undefined],
  ])('calls the actor type %s %s', async (type, shown) => {
    await put(
      api.audit,
      entries(1, () => ({ actor_type: type })),
    );
    const { items } = await get(`/accounts/${id}/audit_logs`);
    expect(items).toMatchObject([{ actor: shown === undefined ? {} : { type: shown } }]);
    expect(JSON.stringify(items).includes('"type"')).toBe(shown !== undefined);
  });
});

describe('a page of version 1', () => {
  it('goes on where the one before ended, to an empty one', async () => {
    await put(api.audit, entries(25));
    const pages = [1, 2, 3, 4].map((page) =>
      get(`/accounts/${id}/audit_logs?per_page=10&page=${page}`),
    );
    const ids = (await Promise.all(pages)).map((page) => page.ids);
    expect(ids.map(({ length }) => length)).toEqual([10, 10, 5, 0]);
    expect(ids.flat()).toEqual(entries(25).map((of) => of.id));
  });

  it('is refused where pages end, with what to do instead', async () => {
    expect((await get(`/accounts/${id}/audit_logs?per_page=1000&page=100`)).status).toBe(200);
    const { status, errors } = await get(`/accounts/${id}/audit_logs?per_page=1000&page=101`);
    expect(status).toBe(400);
    expect(errors).toEqual([
      {
        code: 1002,
        message:
          "query parameter 'page' asks for more than the first 100000 events: narrow since and before, or use /logs/audit and its cursor",
      },
    ]);
  });

  it('is refused when it is too large, but not one event that is', async () => {
    const metadata = JSON.stringify({ text: 'x'.repeat(9 * 1024 * 1024) });
    await put(
      api.audit,
      entries(2, () => ({ metadata })),
    );
    const { status, text } = await get(`/accounts/${id}/audit_logs`);
    expect(status).toBe(400);
    expect(text).toContain("'per_page' asks for more than 16 MiB with these 100 events: lower it");
    expect((await get(`/accounts/${id}/audit_logs?per_page=1&page=2`)).ids).toEqual(['event-1']);
  });
});

describe('an export', () => {
  it('is of everything, with the columns of a CSV job and no formulas', async () => {
    await put(
      api.audit,
      entries(2500, (index) =>
        index === 7 ? { old_value: '{"a":"b,\\n\\"c"}', actor_email: '=1+1@example.com' } : {},
      ),
    );
    const { text, headers } = await get(`/accounts/${id}/audit_logs?export=true&direction=asc`);
    expect(headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
    const lines = text.trimEnd().split('\r\n');
    expect(lines[0]).toBe(
      'ActionResult,ActionType,ActorEmail,ActorID,ActorIP,ActorType,ID,Interface,Metadata,NewValue,OldValue,OwnerID,ResourceID,ResourceType,When',
    );
    const ids = lines.slice(1).map((line) => /,(event-\d+),/.exec(line)?.[1]);
    expect(ids).toEqual(
      entries(2500)
        .map((of) => of.id)
        .toReversed(),
    );
    expect(lines.at(-8)).toBe(
      `false,,'=1+1@example.com,,,,event-7,,{},{},"{""a"":""b,\\n\\""c""}",,,,2026-05-20T23:59:59.993Z`,
    );
  });

  it('is in parts that fit into memory, and complete', async () => {
    const metadata = JSON.stringify({ text: 'x'.repeat(1024 * 1024) });
    await put(
      api.audit,
      entries(9, () => ({ metadata })),
    );
    const { text } = await get(`/accounts/${id}/audit_logs?export=true`);
    expect(text.match(/event-\d/g)).toEqual(entries(9).map((of) => of.id));
  });

  it('is of one page when one is asked for', async () => {
    await put(api.audit, entries(20));
    const { text } = await get(`/accounts/${id}/audit_logs?export=true&page=2&per_page=5`);
    expect(text.match(/event-\d+/g)).toEqual([
      'event-5',
      'event-6',
      'event-7',
      'event-8',
      'event-9',
    ]);
  });
});

describe("a user's log", () => {
  it('is what the user did in all accounts of the token, in one order', async () => {
    const others = ['a', 'b', 'c'].map((name) => `${id}-${name}`);
    const of = others.flatMap((name, nth) =>
      entries(30, (index) => ({
        tenant: account(name),
        id: `${name}-${index}`,
        timeMicros: MAY_21_MICROS - (index * 3 + nth) * 1000,
        actor_email: index % 2 === 0 ? `alice@${id}` : `bob@${id}`,
      })),
    );
    await put(api.audit, of);
    const token = await api.createToken({
      accountIds: others.slice(0, 2),
      permissions: ['Audit Logs Read'],
      email: `Alice@${id}`,
    });
    const expected = of
      .filter((entry) => entry.actor_email === `alice@${id}` && entry.tenant.id !== others[2])
      .toSorted((a, b) => b.timeMicros - a.timeMicros)
      .map((entry) => entry.id);
    const pages = [1, 2, 3].map((page) => get(`/user/audit_logs?per_page=12&page=${page}`, token));
    const found = (await Promise.all(pages)).map(({ ids }) => ids);
    expect(found).toEqual([expected.slice(0, 12), expected.slice(12, 24), expected.slice(24)]);
    const { text } = await get('/user/audit_logs?export=true', token);
    expect(text.match(new RegExp(`${id}-\\w-\\d+`, 'g'))).toEqual(expected);
    expect((await get(`/user/audit_logs?actor.email=bob@${id}`, token)).ids).toEqual([]);
  });

  it('is what a token without a user did itself, and of all accounts where it is for all', async () => {
    await put(api.audit, [
      ...entries(1, () => ({ actor_token_id: 'admin', id: `${id}-own` })),
      ...entries(2, () => ({ actor_token_id: 'other' })).slice(1),
    ]);
    expect((await get('/user/audit_logs')).ids.filter((of) => of.startsWith(id))).toEqual([
      `${id}-own`,
    ]);
  });

  it('is bounded in accounts and in depth', async () => {
    const accountIds = Array.from({ length: 101 }, (_, index) => `many-${index}`);
    const many = { permissions: ['Audit Logs Read'], email: 'a@example.com' } as const;
    const token = await api.createToken({ ...many, accountIds });
    const { status, text } = await get('/user/audit_logs', token);
    expect(status).toBe(400);
    expect(text).toContain('the token is for more than 100 accounts: ask for each with');
    const few = await api.createToken({ ...many, accountIds: accountIds.slice(0, 100) });
    expect((await get('/user/audit_logs', few)).status).toBe(200);
    expect((await get('/user/audit_logs?per_page=1000&page=11', few)).status).toBe(400);
  });

  it('needs a permission to read audit logs', async () => {
    const of = { accountIds: [id], email: 'a@example.com' };
    const token = await api.createToken({ ...of, permissions: ['Logs Write', 'Logs Read'] });
    const { status, errors } = await get('/user/audit_logs', token);
    expect(status).toBe(403);
    expect(errors).toMatchObject([{ code: 10_000 }]);
  });
});
