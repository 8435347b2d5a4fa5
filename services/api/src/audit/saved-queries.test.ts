import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PATH = '/client/v4/accounts/acme/logs/audit/saved_queries';
const QUERY = {
  filters: { actor_email: ['ann@example.com'], 'action_type.not': ['view', ''] },
  search: 'dns zone',
  last_seconds: 604_800,
};

interface Saved {
  readonly id: string;
  readonly created_on: string;
}

describe('saved queries', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  const create = async (body: object) => {
    const answer = await api.send('POST', PATH, body);
    return { ...answer, saved: answer.body.result as Saved };
  };

  it('are saved, read, changed and deleted', async () => {
    const { status, saved } = await create({ name: 'DNS', query: QUERY });
    expect(status).toBe(201);
    expect(saved).toMatchObject({ name: 'DNS', query: QUERY, created_by: 'admin' });
    expect((await api.send('GET', `${PATH}/${saved.id}`)).body.result).toEqual(saved);
    expect((await api.send('GET', PATH)).body.result).toEqual([saved]);
    const change = {
      name: 'May',
      query: { filters: {}, since: '2026-05-01', before: '2026-06-01' },
    };
    const changed = await api.send('PUT', `${PATH}/${saved.id}`, change);
    expect(changed.body.result).toMatchObject({ ...change, id: saved.id });
    expect((await api.send('DELETE', `${PATH}/${saved.id}`)).body.result).toEqual({ id: saved.id });
    const paths = [
      await api.send('GET', `${PATH}/${saved.id}`),
      await api.send('DELETE', `${PATH}/${saved.id}`),
      await api.send('PUT', `${PATH}/${saved.id}`, change),
    ];
    expect(paths.map((answer) => answer.status)).toEqual([404, 404, 404]);
  });

  it('tell of their changes in the audit log', async () => {
    const { saved } = await create({ name: 'told', query: {} });
    const entries = await api.stores.outbox.take(1000, 1);
    const lines = entries.map(({ line }) => JSON.parse(line) as { resource: { id: string } });
    expect(lines.filter(({ resource }) => resource.id === saved.id)).toMatchObject([
      {
        account: { id: 'acme' },
        action: { type: 'create', description: 'Create saved query' },
        resource: { product: 'audit_logs', type: 'saved_query', value: saved },
      },
    ]);
  });

  it.each([
    [{ query: QUERY }, 'name: must be a text of 1 to 120'],
    [{ name: 'x'.repeat(121), query: QUERY }, 'name'],
    [{ name: 'x', query: { filters: { nothing: ['1'] } } }, "'nothing' is not known here"],
    [{ name: 'x', query: { filters: { action_type: ['fly'] } } }, "'action_type' must be one of"],
    [{ name: 'x', query: { search: '-' } }, "'search' must hold"],
    [{ name: 'x', query: { since: '2026-05-01' } }, 'either last_seconds, or since and before'],
    [{ name: 'x', query: { since: 'May', before: '2026-05-01' } }, "'since' must be a date"],
    [{ name: 'x', query: { ...QUERY, more: 1 } }, 'query: must be an object of filters, search'],
    [{ name: 'x', query: { filters: { action_type: 'create' } } }, 'must be an object of lists'],
    [{ name: 'x', query: 'action_type=create' }, 'query: must be an object'],
    [{ name: 'x', query: { filters: { actor_id: ['x'.repeat(20_000)] } } }, 'characters'],
  ])('%j is refused', async (body, message) => {
    const answer = await create(body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(415);
    expect(answer.body.errors[0]?.message).toContain(message);
  });

  it('are read by who may read the log, and changed by who may write to it', async () => {
    const statusOf = async (
      permission: 'Audit Logs Read' | 'Audit Logs Write',
      method: 'GET' | 'POST',
    ) => {
      const token = await api.createToken({ accountIds: ['acme'], permissions: [permission] });
      const headers = { authorization: `Bearer ${token}` };
      const payload = method === 'POST' ? { payload: { name: 'x', query: {} } } : {};
      return (await api.app.inject({ method, url: PATH, headers, ...payload })).statusCode;
    };
    expect(await statusOf('Audit Logs Read', 'GET')).toBe(200);
    expect(await statusOf('Audit Logs Read', 'POST')).toBe(403);
    expect(await statusOf('Audit Logs Write', 'GET')).toBe(403);
    expect(await statusOf('Audit Logs Write', 'POST')).toBe(201);
  });

  it('are a hundred at most', async () => {
    let status = 201;
    for (let count = 0; count <= 100 && status === 201; count += 1) {
      ({ status } = await create({ name: `n${count}`, query: {} }));
    }
    const { body } = await create({ name: 'one more', query: {} });
    expect(status).toBe(409);
    expect(body.errors[0]?.message).toContain('as many as it may have: delete one');
  });
});
