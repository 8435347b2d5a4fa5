import type { AuditEntry } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const WINDOW = 'since=2026-05-20&before=2026-05-23';

interface Item {
  readonly id: string;
  readonly difference?: Readonly<Record<string, unknown>>;
}

describe('what the entries of a history changed', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  /** Entries of one resource, a second after one another, with ids from 0. */
  async function store(resource: string, entries: readonly Partial<AuditEntry>[]): Promise<void> {
    await put(
      api.audit,
      entries.map((facts, index) =>
        auditEntry({
          ...{ tenant: account('acme'), id: `${resource}-${index}`, resource_id: resource },
          ...{ timeMicros: MAY_21_MICROS + index * 1_000_000, action_type: 'update', ...facts },
        }),
      ),
    );
  }

  async function ask(resource: string, query = '', window = WINDOW) {
    const path = `/client/v4/accounts/acme/logs/audit/${resource}-0/history`;
    const time = 'action_time=2026-05-21T00:00:00Z';
    const answer = await api.send('GET', `${path}?${time}&${window}&diff=true${query}`);
    const { result_info: info } = answer.body as { result_info?: { cursor: string } };
    const items = (answer.body.result ?? []) as Item[];
    const byId = new Map(items.map(({ id, difference }) => [id.split('-')[1], difference]));
    return { status: answer.status, message: answer.body.errors[0]?.message, items, byId, info };
  }

  it('is said from its creation to its deletion', async () => {
    await store('dns', [
      { action_type: 'create', resource_response: '{"ttl":1}' },
      { resource_response: '{"ttl":2}', resource_request: '{"ttl":2}' },
      { action_result: 'failure', resource_response: '{"error":1}' },
      { action_type: 'view', resource_response: '{"ttl":9}' },
      { resource_response: '{"ttl":2,"on":true}', resource_request: '{}' },
      { action_type: 'delete', resource_response: '{}' },
    ]);
    const { byId } = await ask('dns');
    const nothing = { body: null, compared_with: null, patch: [] };
    expect(Object.fromEntries(byId)).toEqual({
      0: {
        ...{ body: 'response', compared_with: null },
        patch: [{ op: 'add', path: '', value: { ttl: 1 } }],
      },
      1: {
        ...{ body: 'response', compared_with: 'dns-0' },
        patch: [{ op: 'replace', path: '/ttl', value: 2, oldValue: 1 }],
      },
      2: nothing,
      3: nothing,
      4: {
        ...{ body: 'response', compared_with: 'dns-1' },
        patch: [{ op: 'add', path: '/on', value: true }],
      },
      5: {
        ...{ body: 'response', compared_with: 'dns-4' },
        patch: [{ op: 'remove', path: '', oldValue: { ttl: 2, on: true } }],
      },
    });
  });

  it.each(['asc', 'desc'])(
    'is the same over pages, %s, and over the edge of the window',
    async (way) => {
      const bodies = Array.from({ length: 9 }, (_, index) => `{"n":${Math.floor(index / 2)}}`);
      const resource = `pages${way}`;
      await store(
        resource,
        bodies.map((resource_value, index) => ({
          resource_value,
          ...(index % 3 === 2 ? { action_result: 'failure' } : {}),
        })),
      );
      const whole = await ask(resource);
      const paged = new Map<string | undefined, unknown>();
      let cursor = '';
      do {
        const page = await ask(resource, `&limit=2&direction=${way}&cursor=${cursor}`);
        for (const [id, difference] of page.byId) paged.set(id, difference);
        cursor = page.info?.cursor ?? '';
      } while (cursor !== '');
      expect(Object.fromEntries(paged)).toEqual(Object.fromEntries(whole.byId));
      const window = 'since=2026-05-21T00:00:04Z&before=2026-05-23';
      const rest = await ask(resource, `&direction=${way}`, window);
      expect(rest.byId.get('4')).toEqual(whole.byId.get('4'));
      expect(whole.byId.get('4')).toMatchObject({ compared_with: `${resource}-3` });
    },
  );

  it('is what the event says itself, if it does', async () => {
    await store('own', [
      { old_value: '{"a":1}', new_value: '{"a":2}', resource_value: '{"a":1}' },
      { action_type: 'delete', old_value: '{"a":2}' },
    ]);
    const { byId } = await ask('own');
    expect(byId.get('0')?.['patch']).toEqual([
      { op: 'replace', path: '/a', value: 2, oldValue: 1 },
    ]);
    expect(byId.get('1')?.['patch']).toEqual([{ op: 'remove', path: '', oldValue: { a: 2 } }]);
  });

  it('is left out where there is nothing to compare, or too much', async () => {
    const large = JSON.stringify({ text: 'x'.repeat(48 * 1024) });
    await store('odd', [
      { resource_request: '{"a":1}' },
      { resource_response: '{"a":1}' },
      { resource_response: large },
      { resource_response: '{"a":1}' },
    ]);
    const { byId } = await ask('odd');
    expect([...byId.values()].map((difference) => difference?.['omitted'])).toEqual([
      ...['too_large', 'too_large', 'no_body', 'no_previous'],
    ]);
  });

  it('is shown to those who ask for it', async () => {
    await store('plain', [{ resource_value: '{"a":1}' }]);
    const { items, message, status } = await ask('plain', '&limit=101');
    expect([items, status]).toEqual([[], 400]);
    expect(message).toContain("'limit' must be a whole number from 1 to 100");
    const path = '/client/v4/accounts/acme/logs/audit/plain-0/history';
    const answer = await api.send('GET', `${path}?action_time=2026-05-21&${WINDOW}&limit=101`);
    expect(Object.keys((answer.body.result as object[])[0] ?? {})).not.toContain('difference');
  });
});
