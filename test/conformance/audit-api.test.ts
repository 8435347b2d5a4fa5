import Cloudflare, { BadRequestError, PermissionDeniedError, RateLimitError } from 'cloudflare';
import { AUDIT_TEXTS, type AuditEntry } from '@trailpush/core';
import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { SeededRandom } from '@trailpush/test/kit/random.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import cases from '../cases/audit-api.json' with { type: 'json' };
import { oracleIds, type Item } from './audit-oracle.ts';
import { rawCases } from './audit-raw-cases.ts';
import { requestOf } from './audit-sdk-call.ts';

/**
 * What is known of Cloudflare's Audit Logs v2, entry by entry: what its SDK puts on the wire, and what the
 * parameters mean. An entry that nothing drives is a failure; `audit-v1.test.ts` drives those of version 1.
 */
const SOURCE_ID = 'f174be97-19b1-40d6-954d-70cd5fbd52db';
const WINDOW = 'since=2024-10-30&before=2024-10-31';

let api: ApiFixture;
let baseURL: string;
let items: Item[];

beforeAll(async () => {
  api = await startApi();
  const address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  baseURL = `${address}/client/v4`;
  const entries = seeds();
  await put(api.audit, [
    ...entries,
    ...entries.map((entry) => ({ ...entry, tenant: { kind: 'organization' as const, id: 'ORG' } })),
  ]);
  items = await allItems();
});
afterAll(() => api.close());

/** Events with every value that any case asks for, others, empty ones and none. */
function seeds(): AuditEntry[] {
  const random = new SeededRandom(5);
  const values = new Map<string, string[]>();
  for (const { expected_query: query } of cases.wire_cases) {
    for (const [name, value] of new URLSearchParams(query)) {
      const field = name.replace('.not', '');
      values.set(field, [...(values.get(field) ?? ['other', '']), value]);
    }
  }
  const starts = ['2024-10-29T12:00:00Z', '2025-02-27T00:00:00Z'].map((text) => Date.parse(text));
  return Array.from({ length: 600 }, (_, index) => {
    const texts = AUDIT_TEXTS.map((name) => {
      const known = values.get(name);
      return [name, known && random.chance(0.8) ? random.pick(known) : null];
    });
    const ms = random.pick(starts) + random.between(0, 40 * 86_400) * 1000;
    return auditEntry({
      tenant: account('ACC'),
      ...(Object.fromEntries(texts) as Partial<AuditEntry>),
      id: index === 0 ? SOURCE_ID : `event-${index}`,
      resource_id: index < 9 ? 'page' : random.chance(0.5) ? 'page' : null,
      raw_status_code: random.pick([200, 201, 500, null]),
      timeMicros: index === 0 ? Date.parse('2024-10-30T15:00:00Z') * 1000 : ms * 1000 + index,
    });
  });
}

async function allItems(): Promise<Item[]> {
  const url = '/client/v4/accounts/ACC/logs/audit?since=2020-01-01&before=2030-01-01&limit=1000';
  return (await api.send('GET', url)).body.result as Item[];
}

async function ask(path: string, query: string) {
  const answer = await api.send('GET', `/client/v4${path}?${query}`);
  const { result_info: info } = answer.body as { result_info?: Record<string, unknown> };
  return { ...answer, info, ids: ((answer.body.result ?? []) as Item[]).map(({ id }) => id) };
}

describe('a call of the SDK', () => {
  for (const entry of cases.wire_cases.filter(({ id }) => !id.startsWith('v1.'))) {
    it(entry.id, async () => {
      const url = await requestOf(entry.sdk_call);
      expect(`${url.pathname}${url.search}`).toBe(`${entry.expected_path}?${entry.expected_query}`);
      const { status, ids, info, body } = await ask(entry.expected_path, entry.expected_query);
      if (entry.expected_query.includes('cursor=')) {
        // Not one that we have given.
        expect(status).toBe(400);
        expect(body.errors[0]?.message).toContain("query parameter 'cursor'");
      } else if (entry.expected_path.endsWith('/history')) {
        expect({ status, history: info?.['history_status'] }).toEqual({
          status: 200,
          history: 'exact',
        });
        expect(ids).toContain(SOURCE_ID);
      } else {
        expect(status).toBe(200);
        const categories = await api.send(
          'GET',
          '/client/v4/accounts/ACC/logs/audit/product_categories',
        );
        const known = categories.body.result as Parameters<typeof oracleIds>[2];
        expect(ids).toEqual(oracleIds(items, entry.expected_query, known));
      }
    });
  }
});

describe('a query as it is typed', () => {
  it('has a case for each entry', () => {
    expect(Object.keys(rawCases).toSorted()).toEqual(
      cases.raw_query_cases.map(({ id }) => id).toSorted(),
    );
  });
  for (const { id } of cases.raw_query_cases) {
    it(id, async () =>
      rawCases[id]?.({
        all: items,
        get: (query) => ask('/accounts/ACC/logs/audit', query),
        window: WINDOW,
      }),
    );
  }
});

describe('a parameter', () => {
  for (const parameter of cases.parameters) {
    it(parameter.name, async () => {
      const [word = 'x'] = 'allowed' in parameter ? (parameter.allowed ?? []) : [];
      const example = String('example' in parameter ? parameter.example : word);
      const own = ['since', 'before', 'cursor'].includes(parameter.name) ? '' : example;
      const query = own === '' ? WINDOW : `${WINDOW}&${parameter.name}=${encodeURIComponent(own)}`;
      expect((await ask('/accounts/ACC/logs/audit', query)).status).toBe(200);
      if (parameter.required) {
        const without = WINDOW.replace(new RegExp(`${parameter.name}=[^&]*&?`), '');
        const { status, body } = await ask('/accounts/ACC/logs/audit', without);
        expect(status).toBe(400);
        expect(body.errors[0]?.message).toBe(`query parameter '${parameter.name}' is required`);
      }
      if (!('absent_on_organization_endpoint' in parameter)) return;
      const { status, body } = await ask('/organizations/ORG/logs/audit', query);
      expect(status).toBe(400);
      expect(body.errors[0]?.message).toContain(`'${parameter.name}' is not known here`);
    });
  }
  for (const { name } of cases.history_parameters) {
    it(`${name} of a history`, async () => {
      const path = `/accounts/ACC/logs/audit/${SOURCE_ID}/history`;
      const all = `action_time=2024-10-30T15:00:00Z&${WINDOW}`;
      const more = { direction: '&direction=asc', limit: '&limit=5' }[name] ?? '';
      const { status, info } = await ask(path, `${all}${more}`);
      expect(status).toBe(200);
      expect(Number(info?.['count'])).toBeGreaterThan(0);
      const wrong = { direction: '&direction=up', limit: '&limit=0', cursor: '&cursor=x' }[name];
      const without = all.replace(new RegExp(`${name}=[^&]*&?`), '');
      const bad = wrong === undefined ? without : `${all}${wrong}`;
      if (name !== 'id') expect((await ask(path, bad)).status).toBe(400);
    });
  }
});

describe('an endpoint', () => {
  for (const { path, method } of cases.endpoints) {
    it(`${method} ${path}`, () => {
      const route = `${method} /client/v4${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
      expect(api.routes).toContain(route);
    });
  }
});

describe('paging', () => {
  it.each(cases.pagination_cases.map((entry) => entry.server_answers))('%s', async (answers) => {
    const first = await ask('/accounts/ACC/logs/audit', `${WINDOW}&limit=1`);
    const { cursor, cursors } = first.info as { cursor: string; cursors: { after: string } };
    const empty = await ask('/accounts/ACC/logs/audit', 'since=2010-01-01&before=2010-01-02');
    switch (answers) {
      case 'empty first page with a cursor':
      case 'both, last page has empty-string cursors':
        // Ours: nothing more is an empty text in both forms.
        expect(empty.info).toEqual({ count: 0, cursor: '', cursors: { after: '' } });
        break;
      case 'result null':
      case 'no result_info':
        expect(empty.body.result).toEqual([]);
        break;
      case 'same cursor repeated': {
        const next = await ask('/accounts/ACC/logs/audit', `${WINDOW}&limit=1&cursor=${cursor}`);
        expect(next.info?.['cursor']).not.toBe(cursor);
        expect(next.ids).not.toEqual(first.ids);
        break;
      }
      default:
        // Every client finds the form that it follows.
        expect(cursor).toMatch(/^[\w-]{43}$/);
        expect(cursors.after).toBe(cursor);
    }
  });
});

describe('an error', () => {
  const listWith = (client: Cloudflare, parameters: Record<string, string>) =>
    client.accounts.logs.audit.list({ account_id: 'ACC', ...parameters } as never);

  it.each(cases.retry_cases.map(({ status }) => status))('%s is tried again', async (status) => {
    let requests = 0;
    const fetch = async () => {
      requests += 1;
      const body = requests < 3 ? '{"success":false,"errors":[]}' : '{"success":true,"result":[]}';
      const headers = { 'content-type': 'application/json', 'retry-after-ms': '1' };
      return new Response(body, { status: requests < 3 ? status : 200, headers });
    };
    const client = new Cloudflare({ apiToken: 'x', baseURL: 'https://api.test', fetch });
    await listWith(client, { since: '2024-10-30', before: '2024-10-31' });
    expect(requests).toBe(3);
  });

  const byId: Readonly<Record<string, () => Promise<void>>> = {
    'err.missing_window': async () => {
      const client = new Cloudflare({ apiToken: ADMIN_TOKEN, baseURL });
      const refused = listWith(client, { before: '2024-10-31' });
      await expect(refused).rejects.toThrow(BadRequestError);
      const message = "query parameter 'since' is required";
      await expect(refused).rejects.toMatchObject({ errors: [{ message }] });
    },
    'err.no_permission': async () => {
      const permissions = ['Logs Write'] as const;
      const token = await api.createToken({ accountIds: ['ACC'], permissions });
      const client = new Cloudflare({ apiToken: token, baseURL });
      const refused = listWith(client, { since: '2024-10-30', before: '2024-10-31' });
      await expect(refused).rejects.toThrow(PermissionDeniedError);
      await expect(refused).rejects.toMatchObject({ errors: [{ code: 10_000 }] });
    },
    'err.rate_limited': async () => {
      const body = '{"success":false,"errors":[{"code":971,"message":"rate limit"}]}';
      const headers = { 'content-type': 'application/json' };
      const fetch = async () => new Response(body, { status: 429, headers });
      const client = new Cloudflare({ apiToken: 'x', baseURL, fetch, maxRetries: 0 });
      await expect(listWith(client, {})).rejects.toThrow(RateLimitError);
    },
    'err.history_not_found': async () => {
      const path = '/accounts/ACC/logs/audit/missing/history';
      const { status, body, info } = await ask(path, `action_time=2024-10-30T15:00:00Z&${WINDOW}`);
      expect({ status, result: body.result, info }).toEqual({
        status: 404,
        result: null,
        info: { count: 0, history_status: 'unavailable' },
      });
    },
    'err.success_false_with_200': async () => {
      const { status, body } = await ask('/accounts/ACC/logs/audit', 'since=1');
      expect({ success: body.success, status }).toEqual({ success: false, status: 400 });
    },
  };
  it('has a case for each entry', () => {
    expect(Object.keys(byId).toSorted()).toEqual(cases.error_cases.map(({ id }) => id).toSorted());
  });
  for (const [id, run] of Object.entries(byId)) it(id, run);
});
