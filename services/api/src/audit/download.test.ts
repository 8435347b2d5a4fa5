import { connect } from 'node:net';
import { once } from 'node:events';

import { StoreUnavailableError, type AuditEntry, type Tenant } from '@trailpush/core';
import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { eventually } from '@trailpush/test/kit/system/program.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

const EVENTS = 6000;
/** Of 1 MiB. */
const PAGES = EVENTS / 260;
const BODY = JSON.stringify({ text: 'x'.repeat(4000) });
const WINDOW = 'since=2026-05-01&before=2026-06-01';
const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };

let api: ApiFixture;
let address: string;

beforeAll(async () => {
  api = await startApi();
  address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  await put(api.audit, entries({ tenant: account('large'), resource_request: BODY }, EVENTS));
});
afterAll(() => api.close());
afterEach(() => vi.restoreAllMocks());

function entries(facts: Partial<AuditEntry> & { tenant: Tenant }, count: number): AuditEntry[] {
  return Array.from({ length: count }, (_, index) =>
    auditEntry({
      ...facts,
      id: `event ${index}`,
      timeMicros: MAY_21_MICROS + index * 1000,
      action_type: index % 3 === 0 ? 'create' : 'update',
    }),
  );
}

function download(id: string, query = WINDOW, more: Record<string, string> = {}) {
  return fetch(`${address}/client/v4/accounts/${id}/logs/audit/download?${query}`, {
    headers: { ...headers, 'accept-encoding': 'identity', ...more },
  });
}

function idsOf(text: string): string[] {
  const lines = text.trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { id: string }).id);
}

describe('a download', () => {
  it('is of every event that passes, in order of time, in the shape of the list', async () => {
    const answer = await download('large');
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/x-ndjson; charset=utf-8',
      'content-disposition':
        'attachment; filename="audit_logs_large_20260501T000000Z_20260601T000000Z.ndjson"',
      'cache-control': 'no-store',
    });
    const text = await answer.text();
    expect(idsOf(text)).toEqual(Array.from({ length: EVENTS }, (_, index) => `event ${index}`));
    const list = `/client/v4/accounts/large/logs/audit?${WINDOW}&direction=asc&limit=1`;
    const { body } = await api.send('GET', list);
    expect(JSON.parse(text.slice(0, text.indexOf('\n')))).toEqual((body.result as unknown[])[0]);
  });

  it('honours filters, direction and bounds', async () => {
    const query = `since=2026-05-21T00:00:01Z&before=2026-05-21T00:00:02Z&direction=desc`;
    const text = await (await download('large', `${query}&action_type=create`)).text();
    const expected = Array.from({ length: 1000 }, (_, index) => 1999 - index);
    expect(idsOf(text)).toEqual(
      expected.filter((index) => index % 3 === 0).map((index) => `event ${index}`),
    );
    expect(await (await download('empty')).text()).toBe('');
  });

  it('is compressed for those who can read that', async () => {
    const answer = await download('large', WINDOW, { 'accept-encoding': 'br;q=1, gzip;q=0.5' });
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(idsOf(await answer.text())).toHaveLength(EVENTS);
    for (const encoding of ['gzip;q=0', 'br', 'gzipped']) {
      const plain = await download('empty', WINDOW, { 'accept-encoding': encoding });
      expect(plain.headers.get('content-encoding')).toBeNull();
      await plain.text();
    }
  });

  it('has columns in CSV, and no formulas', async () => {
    const tenant = account('sheets');
    await put(api.audit, [
      auditEntry({
        ...{ tenant, id: 'a,b', actor_email: '=cmd|calc', actor_id: 'say "hi"' },
        ...{ raw_status_code: 200, resource_request: '{"a":\n1}', zone_name: '-1+1' },
      }),
    ]);
    const answer = await download('sheets', `${WINDOW}&format=csv`);
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    const [header = '', row] = (await answer.text()).split('\r\n');
    expect(header.split(',')).toHaveLength(28);
    expect(header.startsWith('id,time,account_id,account_name,action_type,')).toBe(true);
    expect(row).toBe(
      `"a,b",2026-05-21T00:00:00Z,sheets,,,,,,'=cmd|calc,"say ""hi""",,,,,,,200,,,,,"{""a"":\n1}",,,,,,'-1+1`,
    );
  });

  it.each([
    ['format=xml', "'format' must be one of ndjson, csv"],
    ['cursor=x', "'cursor' is not known here"],
    ['action_type=make', "'action_type' must be one of create"],
  ])('says what is wrong with %s', async (query, message) => {
    const answer = await download('large', `${WINDOW}&${query}`);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(message);
  });

  it('needs permission to read the log of that account', async () => {
    const token = await api.createToken({ accountIds: ['large'], permissions: ['Logs Write'] });
    const answer = await download('large', WINDOW, { authorization: `Bearer ${token}` });
    expect(answer.status).toBe(403);
    await answer.text();
  });

  it('breaks visibly when the store fails half-way', async () => {
    const read = api.audit.readLines.bind(api.audit);
    let pages = 0;
    vi.spyOn(api.audit, 'readLines').mockImplementation(async (...of) => {
      pages += 1;
      if (pages === 3) throw new StoreUnavailableError('the store is away');
      return read(...of);
    });
    await expect(download('large').then((answer) => answer.text())).rejects.toThrow();
    pages = 0;
    // In HTTP/1.0 only the connection tells the end.
    const socket = connect(Number(new URL(address).port), '127.0.0.1');
    const path = `/client/v4/accounts/large/logs/audit/download?${WINDOW}`;
    socket.write(`GET ${path} HTTP/1.0\r\nauthorization: ${headers.authorization}\r\n\r\n`);
    socket.resume();
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    pages = 2;
    expect((await download('large')).status).toBe(503);
  });

  it('waits for a slow reader, stops for one that has left, and is not one of too many', async () => {
    const reads = vi.spyOn(api.audit, 'readLines');
    const slow = [await download('large'), await download('large')];
    const refused = await download('large');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(await refused.text()).toContain('2 downloads of this account are running');
    const others = [await download('sheets'), await download('empty')];
    await Promise.all(others.map((answer) => answer.text()));
    // 24 MB do not fit into the buffers between us.
    expect(reads.mock.calls.length).toBeLessThan(2 * PAGES);
    await slow[0]!.body!.cancel();
    const read = reads.mock.calls.length;
    await eventually('its place is free', 10_000, async () => {
      const answer = await download('large', 'since=2026-05-01&before=2026-05-02');
      await answer.text();
      return answer.status === 200;
    });
    expect(reads.mock.calls.length).toBeLessThan(read + 100);
    expect(idsOf(await slow[1]!.text())).toHaveLength(EVENTS);
  });
});
