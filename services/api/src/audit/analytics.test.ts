import { QueryTooLargeError } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const WINDOW = 'since=2026-05-20&before=2026-05-23T01:00:00Z';
const HOUR_MICROS = 3_600_000_000;

describe('analytics', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
    const facts = [
      { actor_id: '1', actor_email: 'ann@example.com', resource_product: 'dns' },
      { actor_id: '1', actor_email: 'ann@example.org', resource_product: 'dns' },
      { actor_id: null, actor_email: 'bob@example.com', resource_product: 'workers' },
      { actor_id: '', actor_email: '', resource_product: null },
      { actor_id: '2', actor_email: 'ann@example.com', action_result: 'failure' },
    ];
    const tenants = [account('acme'), { kind: 'organization' as const, id: 'org' }];
    for (const tenant of tenants) {
      const entries = facts.map((each, index) => {
        const timeMicros = MAY_21_MICROS + index * 12 * HOUR_MICROS;
        return auditEntry({
          tenant,
          id: String(index),
          timeMicros,
          action_result: 'success',
          ...each,
        });
      });
      await put(api.audit, entries);
    }
  });
  afterAll(() => api.close());

  const ask = async (path: string, query = WINDOW, owner = 'accounts/acme') => {
    const answer = await api.send(
      'GET',
      `/client/v4/${owner}/logs/audit/analytics/${path}?${query}`,
    );
    const message = answer.body.errors[0]?.message ?? '';
    return { status: answer.status, result: answer.body.result, message };
  };

  it.each(['accounts/acme', 'organizations/org'])('gives the totals of %s', async (owner) => {
    expect((await ask('totals', WINDOW, owner)).result).toEqual({
      ...{ total: 5, failures: 1, failure_rate: 0.2, unique_actors: 3, products: 2 },
    });
    expect((await ask('totals', `${WINDOW}&search=bob`, owner)).result).toEqual({
      ...{ total: 1, failures: 0, failure_rate: 0, unique_actors: 1, products: 1 },
    });
  });

  it('gives the totals of nothing', async () => {
    expect((await ask('totals', 'since=2026-05-20&before=2026-05-20')).result).toEqual({
      ...{ total: 0, failures: 0, failure_rate: 0, unique_actors: 0, products: 0 },
    });
  });

  it('gives the most frequent values, and how many events have others', async () => {
    expect((await ask('top', `${WINDOW}&field=actor_email&limit=2`)).result).toEqual({
      ...{ field: 'actor_email', total: 5, distinct: 4, other: 2 },
      values: [
        { value: 'ann@example.com', count: 2 },
        { value: '', count: 1 },
      ],
    });
    const filtered = await ask('top', `${WINDOW}&field=action_result&actor_email.not=`);
    expect(filtered.result).toMatchObject({ total: 4, values: [{ count: 3 }, { count: 1 }] });
  });

  it('counts over time, also where there is nothing', async () => {
    const { result } = await ask('timeseries', `${WINDOW}&group_by=action_result&limit=1`);
    const group = (count: number) => [{ value: 'success', count }];
    expect(result).toEqual({
      ...{ interval: 'day', group_by: 'action_result', total: 5 },
      buckets: [
        { start: '2026-05-20T00:00:00Z', count: 0, groups: group(0), other: 0 },
        { start: '2026-05-21T00:00:00Z', count: 2, groups: group(2), other: 0 },
        { start: '2026-05-22T00:00:00Z', count: 2, groups: group(2), other: 0 },
        { start: '2026-05-23T00:00:00Z', count: 1, groups: group(0), other: 1 },
      ],
    });
  });

  it('counts over hours without groups', async () => {
    const range = 'since=2026-05-21T11:30:00Z&before=2026-05-21T13:00:00Z&interval=hour';
    expect((await ask('timeseries', range)).result).toEqual({
      ...{ interval: 'hour', group_by: null, total: 1 },
      buckets: [
        { start: '2026-05-21T11:00:00Z', count: 0 },
        { start: '2026-05-21T12:00:00Z', count: 1 },
      ],
    });
  });

  it.each([
    ['top', WINDOW, "query parameter 'field' is required"],
    ['top', `${WINDOW}&field=id`, "query parameter 'field' must be one of action_result,"],
    ['top', `${WINDOW}&field=actor_id&limit=101`, "query parameter 'limit' must be"],
    ['totals', 'before=2026-05-23', "query parameter 'since' is required"],
    ['totals', `${WINDOW}&cursor=x`, "query parameter 'cursor' is not known here"],
    ['timeseries', `${WINDOW}&interval=week`, "'interval' must be one of minute, hour, day"],
    ['timeseries', 'since=2020-01-01&before=2026-05-21&interval=hour', 'would make 55968 buckets'],
    ['timeseries', `${WINDOW}&group_by=nothing`, "query parameter 'group_by' must be one of"],
  ])('%s?%s is refused', async (path, query, message) => {
    const answer = await ask(path, query);
    expect(answer.status).toBe(400);
    expect(answer.message).toContain(message);
  });

  it('needs the permission to read audit logs', async () => {
    const token = await api.createToken({ accountIds: ['acme'], permissions: ['Logs Write'] });
    const answer = await api.app.inject({
      url: `/client/v4/accounts/acme/logs/audit/analytics/totals?${WINDOW}`,
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.statusCode).toBe(403);
  });

  it('says what to narrow when there is too much to count', async () => {
    const count = vi.spyOn(api.audit, 'count');
    count.mockRejectedValueOnce(new QueryTooLargeError('choose a shorter time'));
    const answer = await ask('totals');
    expect(answer).toMatchObject({ status: 400, message: 'choose a shorter time' });
    count.mockRestore();
  });
});
