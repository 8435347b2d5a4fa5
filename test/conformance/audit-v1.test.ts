import type { AuditEntry } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import cases from '../cases/audit-api.json' with { type: 'json' };
import { requestOf } from './audit-sdk-call.ts';

/** What is known of version 1 of Cloudflare's audit logs, entry by entry. */
const ALICE = 'alice@example.com';
const SOURCE_ID = 'f174be97-19b1-40d6-954d-70cd5fbd52db';
const LAST_MICROS = Date.parse('2019-04-30T01:12:20Z') * 1000;

let api: ApiFixture;
let token: string;

/** Newest first; every tenth is one that the case with all parameters finds. */
const ENTRIES: readonly AuditEntry[] = Array.from({ length: 500 }, (_, index) => {
  const isIt = index % 10 === 0;
  return auditEntry({
    tenant: account('ACC'),
    id: index === 40 ? SOURCE_ID : `event-${index}`,
    timeMicros: LAST_MICROS - (index + 1) * 1_000_000,
    action_type: isIt ? 'add' : 'create',
    actor_email: isIt ? ALICE : 'bob@example.com',
    actor_ip_address: isIt ? '17.168.228.63' : `10.0.0.${index % 100}`,
    zone_name: isIt ? 'example.com' : null,
    resource_scope: index % 3 === 1 ? 'user' : 'accounts',
  });
});

beforeAll(async () => {
  api = await startApi();
  await put(api.audit, ENTRIES);
  token = await api.createToken({
    ...{ accountIds: ['ACC'], permissions: ['Audit Logs Read'], email: ALICE },
  });
});
afterAll(() => api.close());

async function ask(path: string, query: string) {
  const url = `/client/v4${path}${query === '' ? '' : `?${query}`}`;
  const headers = { authorization: `Bearer ${token}` };
  const { statusCode: status, body: text, headers: sent } = await api.app.inject({ url, headers });
  const isCsv = String(sent['content-type']).startsWith('text/csv');
  const body = isCsv ? undefined : (JSON.parse(text) as Record<string, unknown>);
  const items = (body?.['result'] ?? []) as { id: string }[];
  const message = (body?.['errors'] as { message: string }[] | undefined)?.[0]?.message;
  return {
    status,
    text,
    isCsv,
    message,
    ids: items.map(({ id }) => id),
    info: body?.['result_info'],
  };
}

function idsWhere(isIt: (entry: AuditEntry) => boolean): string[] {
  return ENTRIES.filter(isIt).map(({ id }) => id);
}

const OF_ACCOUNT = '/accounts/ACC/audit_logs';

describe('a call of the SDK', () => {
  const expected: Readonly<Record<string, (answer: Awaited<ReturnType<typeof ask>>) => void>> = {
    'v1.none': ({ ids, info }) => {
      expect(ids).toEqual(idsWhere(() => true).slice(0, 100));
      expect(info).toEqual({ page: 1, per_page: 100, count: 100 });
    },
    // The one event of that id is on the first page, and this is the second.
    'v1.all': ({ isCsv, text }) => {
      expect(isCsv).toBe(true);
      expect(text).toMatch(/^ActionResult,[\w,]+,When\r\n$/);
    },
    'v1.cidr': ({ ids }) => {
      const inside = idsWhere((entry) => entry.actor_ip_address?.startsWith('10.') === true);
      expect(ids).toEqual(inside.slice(0, 100));
    },
    'v1.user': ({ ids, info }) => {
      expect(ids).toEqual(idsWhere(({ actor_email }) => actor_email === ALICE).slice(0, 25));
      expect(info).toEqual({ page: 1, per_page: 25, count: 25 });
    },
  };
  const version1 = cases.wire_cases.filter(({ id }) => id.startsWith('v1.'));
  it('has a case for each entry', () => {
    expect(Object.keys(expected).toSorted()).toEqual(version1.map(({ id }) => id).toSorted());
  });
  it.each(version1.map((entry) => [entry.id, entry] as const))('%s', async (id, entry) => {
    const url = await requestOf(entry.sdk_call);
    expect(`${url.pathname}${url.search}`.replace(/\?$/, '')).toBe(
      `${entry.expected_path}?${entry.expected_query}`.replace(/\?$/, ''),
    );
    const answer = await ask(entry.expected_path, entry.expected_query);
    expect(answer.status, answer.message).toBe(200);
    expected[id]?.(answer);
  });
  it('v1.all finds its event on the first page', async () => {
    const { expected_query: query } = version1.find(({ id }) => id === 'v1.all')!;
    const shown = query.replace('&page=2', '&page=1').replace('&export=true', '');
    // 40 is one of user scope.
    expect((await ask(OF_ACCOUNT, shown)).ids).toEqual([]);
    const all = shown.replace('hide_user_logs=true', 'hide_user_logs=false');
    expect((await ask(OF_ACCOUNT, all)).ids).toEqual([SOURCE_ID]);
  });
});

describe('a parameter', () => {
  const all = idsWhere(() => true);
  const where = (isIt: (entry: AuditEntry) => boolean) => idsWhere(isIt).slice(0, 100);
  const third = ENTRIES[2]!.timeMicros;
  /** A value that changes what is found, what it finds, and a value that is refused. */
  const drivers: Readonly<Record<string, readonly [string, readonly string[], string?]>> = {
    id: [`id=${SOURCE_ID}`, [SOURCE_ID], 'id=a&id=b'],
    export: ['export=false', all.slice(0, 100), 'export=yes'],
    'action.type': ['action.type=add', where((entry) => entry.action_type === 'add')],
    'actor.ip': [
      'actor.ip=10.0.0.1',
      where((entry) => entry.actor_ip_address === '10.0.0.1'),
      'actor.ip=10.0.0.0/33',
    ],
    'actor.email': [`actor.email=${ALICE}`, where((entry) => entry.actor_email === ALICE)],
    since: [`since=2019-04-30T01:12:17Z`, where((e) => e.timeMicros >= third), 'since=yesterday'],
    before: [`before=2019-04-30T01:12:17Z`, where((e) => e.timeMicros < third), 'before=0'],
    'zone.name': ['zone.name=example.com', where((entry) => entry.zone_name !== null)],
    direction: ['direction=asc', all.toReversed().slice(0, 100), 'direction=up'],
    per_page: ['per_page=3', all.slice(0, 3), 'per_page=1001'],
    page: ['page=3&per_page=7', all.slice(14, 21), 'page=0'],
    hide_user_logs: [
      'hide_user_logs=true',
      where((entry) => entry.resource_scope !== 'user'),
      'hide_user_logs=1',
    ],
  };
  it('has a case for each entry', () => {
    expect(Object.keys(drivers).toSorted()).toEqual(
      cases.v1_parameters.map(({ name }) => name).toSorted(),
    );
  });
  it.each(cases.v1_parameters.map(({ name }) => name))('%s', async (name) => {
    const [query, ids, wrong] = drivers[name]!;
    expect((await ask(OF_ACCOUNT, query)).ids).toEqual(ids);
    if (wrong === undefined) return;
    const refused = await ask(OF_ACCOUNT, wrong);
    expect(refused.status).toBe(400);
    expect(refused.message).toContain(`query parameter '${name}'`);
  });
  it.each(['limit=5', 'cursor=x', 'actor_email=x', 'action.type.not=add', 'per_page=5&limit=1'])(
    'of version 2, or of nobody, is refused: %s',
    async (query) => {
      const { status, message } = await ask(OF_ACCOUNT, query);
      expect(status).toBe(400);
      expect(message).toContain('is not known here');
    },
  );
});
