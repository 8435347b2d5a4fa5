import {
  encodeEvent,
  EntryMemory,
  EntryReader,
  parseEventItem,
  WriterSchemas,
} from '@trailpush/datasets';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ACCOUNT = '/client/v4/accounts/acme';
const SECRETS = ['pLaNtEd-one', 'pLaNtEd-two'] as const;
const confWith = (secret: string) => `https://logs.example.com/in?header_Key=${secret}`;

interface Item {
  readonly id: string;
  readonly action: { readonly description: string; readonly time: string };
  readonly difference: { readonly patch: readonly object[] };
}

let api: ApiFixture;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

/** The events that wait, stored as the indexer stores them. */
async function storeEvents(): Promise<void> {
  const reader = new EntryReader(new WriterSchemas({}));
  const waiting = [];
  for (const outbox of [api.stores.outbox, api.retention.outbox]) {
    const taken = await outbox.take(1000, 60_000);
    await outbox.remove(taken.map(({ id }) => id));
    waiting.push(...taken);
  }
  const entries = waiting.map(({ line }) => {
    const options = { maxLineBytes: 1e6, newId: () => '', nowMicros: () => 0 };
    const parsed = parseEventItem(Buffer.from(line), options);
    if (!parsed.ok) throw new Error(parsed.reason);
    expect(reader.load(encodeEvent(parsed.event), Buffer.from(parsed.tenant.id))).toBe(true);
    return reader.entry(new EntryMemory(1, 0));
  });
  await put(api.audit, entries);
}

/** What each event about these says that it changed, the oldest first. */
async function changes(resourceType: string): Promise<(readonly [string, readonly object[]])[]> {
  await storeEvents();
  const window = 'since=2020-01-01&before=2100-01-01&direction=asc';
  const list = `${ACCOUNT}/logs/audit`;
  const found = await api.send('GET', `${list}?${window}&resource_type=${resourceType}`);
  const [first] = found.body.result as readonly Item[];
  const time = first?.action.time ?? '';
  const path = `${list}/${first?.id ?? ''}/history?${window}&diff=true&action_time=${time}`;
  const { body, text } = await api.send('GET', path);
  for (const secret of SECRETS) expect(text).not.toContain(secret);
  return (body.result as readonly Item[]).map(
    ({ action, difference }) => [action.description, difference.patch] as const,
  );
}

const added = { op: 'add', path: '', value: expect.anything() as object };
const removed = { op: 'remove', path: '', oldValue: expect.anything() as object };

describe('the history of what is changed here says of each event what it changed:', () => {
  it('a job', async () => {
    const order = { dataset: 'audit_logs_v2', destination_conf: confWith(SECRETS[0]), name: 'a' };
    const { id } = (await api.send('POST', `${ACCOUNT}/logpush/jobs`, order)).body.result as {
      id: number;
    };
    const job = `${ACCOUNT}/logpush/jobs/${id}`;
    await api.send('PUT', job, { name: 'b' });
    await api.send('PUT', job, { max_upload_records: 5000, name: 'c' });
    await api.send('PUT', job, { destination_conf: confWith(SECRETS[1]) });
    await api.send('DELETE', job);
    const replaced = (path: string, oldValue: unknown, value: unknown) => ({
      ...{ op: 'replace', path, oldValue, value },
    });
    expect(await changes('job')).toEqual([
      ['Create Logpush job', [added]],
      ['Update Logpush job', [replaced('/name', 'a', 'b')]],
      ['Update Logpush job', expect.arrayContaining([replaced('/name', 'b', 'c')]) as object[]],
      ['Update Logpush job', []],
      ['Delete Logpush job', [removed]],
    ]);
  });

  it('a legal hold', async () => {
    const hold = { account_id: 'acme', reason: 'case 7', by: 'ann' };
    await api.send('PUT', '/admin/v1/audit/hold', { ...hold, held: true });
    await api.send('PUT', '/admin/v1/audit/hold', { ...hold, held: false });
    expect(await changes('legal_hold')).toMatchObject([
      ['Set legal hold', [{ path: '/hold', oldValue: null, value: { reason: 'case 7' } }]],
      ['Release legal hold', [{ path: '/hold', oldValue: { reason: 'case 7' }, value: null }]],
    ]);
  });

  it('a token', async () => {
    const order = { account_ids: ['acme'], permissions: ['Logs Read'] };
    const { id } = (await api.send('POST', '/admin/v1/tokens', order)).body.result as {
      id: string;
    };
    await api.send('DELETE', `/admin/v1/tokens/${id}`);
    expect(await changes('token')).toEqual([
      ['Create API token', [added]],
      ['Revoke API token', [removed]],
    ]);
  });

  it('a saved query', async () => {
    const saved = `${ACCOUNT}/logs/audit/saved_queries`;
    const { id } = (await api.send('POST', saved, { name: 'a', query: {} })).body.result as {
      id: string;
    };
    await api.send('PUT', `${saved}/${id}`, { name: 'b', query: {} });
    await api.send('DELETE', `${saved}/${id}`);
    expect(await changes('saved_query')).toMatchObject([
      ['Create saved query', [added]],
      ['Update saved query', [{ path: '/name', oldValue: 'a', value: 'b' }, {}]],
      ['Delete saved query', [removed]],
    ]);
  });
});
