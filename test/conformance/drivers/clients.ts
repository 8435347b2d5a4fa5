import Cloudflare from 'cloudflare';
import { startApi, type Answer, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { expect } from 'vitest';

import type { Case, Driver, Drivers } from '../cases.ts';
import { CONF, theApi } from '../logpush-api.ts';

const PERMISSIONS = ['Logs Write', 'Audit Logs Read'] as const;

/** What the newest SDK sends, and that it understands the answer. */
const sdkRequest: Driver = async (entry) => {
  const api = await theApi();
  const requests: Record<string, string>[] = [];
  const client = new Cloudflare({
    baseURL: 'http://api.test/client/v4',
    apiToken: await api.createToken({ permissions: PERMISSIONS, accountIds: ['A'] }),
    maxRetries: 0,
    fetch: async (address, init) => {
      const { pathname, search } = new URL(new Request(address).url);
      const method = (init?.method ?? 'GET').toUpperCase() as 'GET' | 'POST' | 'DELETE';
      const path = pathname.replace('/client/v4', '');
      const query = [...new URLSearchParams(search)].map((pair) => pair.join('=')).toSorted();
      requests.push({ method, path, ...(query.length > 0 && { query: query.join('&') }) });
      const headers = Object.fromEntries(new Headers(init?.headers));
      const payload = typeof init?.body === 'string' ? { payload: init.body } : {};
      const answer = await api.app.inject({ method, url: pathname + search, headers, ...payload });
      const answerHeaders = new Headers({ 'content-type': String(answer.headers['content-type']) });
      return new Response(answer.body, { status: answer.statusCode, headers: answerHeaders });
    },
  });
  const of = { account_id: 'A' };
  const { logpush, accounts } = client;
  const place = { ...of, destination_conf: CONF };
  const call = {
    'logpush.jobs.delete': () => logpush.jobs.delete(1, of),
    'logpush.jobs.get': () => logpush.jobs.get(1, of),
    'logpush.datasets.fields.get': () => logpush.datasets.fields.get('audit_logs_v2', of),
    'logpush.validate.destinationExists': () => logpush.validate.destinationExists(place),
    'logpush.ownership.create': () => logpush.ownership.create(place),
    'logpush.ownership.validate': () =>
      logpush.ownership.validate({ ...place, ownership_challenge: 'x' }),
    'accounts.logs.audit.list': () =>
      accounts.logs.audit.list({
        ...{ account_id: 'A', since: '2026-01-01', before: '2026-01-02', limit: 100 },
        actor_email: { not: ['a@x.io', 'b@x.io'] },
      }),
  }[String(entry['call']).split('(')[0] ?? ''];
  const outcome: unknown = await call!().catch((error: unknown) => error);
  if (outcome instanceof Error) expect(outcome).toBeInstanceOf(Cloudflare.NotFoundError);
  expect(requests).toEqual([expectedOf(entry)]);
};

/** The request that a case expects; the order of parameters says nothing. */
function expectedOf(entry: Case): Record<string, string> {
  const { query, ...rest } = entry['expect'] as Record<string, string>;
  if (query === undefined) return rest;
  const pairs = [...new URLSearchParams(query.replace(/ \(.*/, ''))].map((pair) => pair.join('='));
  return { ...rest, query: pairs.toSorted().join('&') };
}

interface Page {
  readonly result: readonly { readonly id: string }[];
  readonly result_info: {
    readonly count: number;
    readonly cursor: string;
    readonly cursors: { readonly after: string };
  };
}

/** An account with five events. */
async function withEvents(use: (api: ApiFixture) => Promise<void>): Promise<void> {
  const api = await startApi();
  try {
    const entries = ['1', '2', '3', '4', '5'].map((id, index) =>
      auditEntry({ tenant: account('A'), id, timeMicros: MAY_21_MICROS + index }),
    );
    await put(api.audit, entries);
    await use(api);
  } finally {
    await api.close();
  }
}

const WINDOW = {
  since: '2026-05-20T00:00:00Z',
  before: '2026-05-22T00:00:00Z',
  direction: 'asc',
};

async function pageOf(api: ApiFixture, query: Readonly<Record<string, string>>): Promise<Page> {
  const text = new URLSearchParams({ ...WINDOW, ...query }).toString();
  const answer: Answer = await api.send('GET', `/client/v4/accounts/A/logs/audit?${text}`);
  expect(answer.status).toBe(200);
  return answer.body as unknown as Page;
}

/** Follows the form of the cursor that a client follows, until it leads no further. */
const walk: Driver = async (entry) => {
  const { next } = entry['expect'] as { next: string };
  const isNested = next.startsWith('result_info.cursors.after');
  await withEvents(async (api) => {
    for (const limit of ['1000', '2']) {
      const ids: string[] = [];
      let cursor = '';
      do {
        const page = await pageOf(api, { limit, ...(cursor !== '' && { cursor }) });
        expect(page.result.length).toBeGreaterThan(0);
        expect(page.result_info.count).toBe(page.result.length);
        ids.push(...page.result.map(({ id }) => id));
        cursor = isNested ? page.result_info.cursors.after : page.result_info.cursor;
      } while (cursor !== '');
      expect(ids).toEqual(['1', '2', '3', '4', '5']);
    }
  });
};

/** Both forms on every page; on the last one both are empty, which ends every client's walk. */
const bothCursors: Driver = async (entry) => {
  const shape = entry['response_result_info'] as Page['result_info'];
  await withEvents(async (api) => {
    const first = (await pageOf(api, { limit: '4' })).result_info;
    const { cursor } = first;
    expect(cursor).not.toBe('');
    expect(first).toEqual({ ...shape, count: 4, cursor, cursors: { after: cursor } });
    const last = (await pageOf(api, { limit: '4', cursor })).result_info;
    expect(last).toEqual({ ...shape, count: 1, cursor: '', cursors: { after: '' } });
  });
};

/** Cases about what known clients send, and what they understand. */
export const drivers: Drivers = {
  logpush: {
    'client_request-335': sdkRequest,
    'client_request-336': walk,
    'client_request-337': walk,
    'client_request-339': walk,
    'client_request-344': sdkRequest,
    'client_request-345': sdkRequest,
    'client_request-346': sdkRequest,
    'client_request-348': sdkRequest,
    'client_request-349': sdkRequest,
    'client_request-351': sdkRequest,
    pagination: bothCursors,
  },
};
