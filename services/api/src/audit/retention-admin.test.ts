import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const RETENTION = '/admin/v1/audit/retention';
const HOLD = '/admin/v1/audit/hold';

let api: ApiFixture;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

describe('an operator', () => {
  it('sets how long the logs of an account and of an organization are kept', async () => {
    const set = await api.send('PUT', RETENTION, { account_id: 'acme', retention_months: 6 });
    expect(set.body.result).toEqual({ account_id: 'acme', retention_months: 6, hold: null });
    await api.send('PUT', RETENTION, { organization_id: 'org', retention_months: 0 });
    const { body } = await api.send('GET', RETENTION);
    expect(body.result).toEqual({
      default_months: 18,
      rules: [
        { account_id: 'acme', retention_months: 6, hold: null },
        { organization_id: 'org', retention_months: 0, hold: null },
      ],
    });
    await api.send('PUT', RETENTION, { account_id: 'acme', retention_months: null });
    const rule = await api.retention.rule({ kind: 'account', id: 'acme' });
    expect(rule.months).toBeNull();
  });

  it('sets and releases a legal hold, and the audit log says who and why', async () => {
    const tenant = { account_id: 'held' };
    const set = await api.send('PUT', HOLD, { ...tenant, held: true, reason: 'case 7', by: 'ann' });
    expect(set.body.result).toMatchObject({ hold: { reason: 'case 7', by: 'ann' } });
    const released = await api.send('PUT', HOLD, { ...tenant, held: false, reason: 'closed' });
    expect(released.body.result).toMatchObject({ hold: null });
    const lines = (await api.retention.outbox.take(1000, 1)).map(
      ({ line }) => JSON.parse(line) as { account?: { id: string } },
    );
    const [first, second] = lines.filter(({ account }) => account?.id === 'held');
    expect(first).toMatchObject({
      action: { description: 'Set legal hold', type: 'update', result: 'success' },
      actor: { type: 'cloudflare_admin', token_id: 'admin' },
      raw: { method: 'PUT', uri: HOLD, status_code: 200 },
      resource: {
        ...{ product: 'audit_logs', scope: 'accounts', type: 'legal_hold' },
        request: { reason: 'case 7', by: 'ann' },
        response: { hold: { reason: 'case 7', by: 'ann' } },
        value: { hold: null },
      },
    });
    expect(second).toMatchObject({
      action: { description: 'Release legal hold' },
      resource: { request: { reason: 'closed' }, value: { hold: { by: 'ann' } } },
    });
  });

  it.each([
    [RETENTION, { retention_months: 1 }, 'either account_id or organization_id is required'],
    [
      RETENTION,
      { account_id: 'a', organization_id: 'o', retention_months: 1 },
      'either account_id or organization_id is required',
    ],
    [RETENTION, { account_id: 'a' }, 'retention_months must be a whole number'],
    [RETENTION, { account_id: 'a', retention_months: 1.5 }, 'retention_months must be'],
    [RETENTION, { account_id: 'a', retention_months: -1 }, 'retention_months must be'],
    [RETENTION, { account_id: 'a', retention_months: 2, x: 1 }, 'the body must be an object of'],
    [RETENTION, { account_id: 'a b', retention_months: 2 }, 'account_id must be an id'],
    [HOLD, { account_id: 'a', held: true }, 'reason must be a text'],
    [HOLD, { account_id: 'a', held: true, reason: ' ' }, 'reason must not be empty'],
    [HOLD, { account_id: 'a', reason: 'x' }, 'held must be true or false'],
  ])('is told what is wrong with %s %j', async (path, body, message) => {
    const { status, body: answer } = await api.send('PUT', path, body);
    expect(status).toBe(400);
    expect(answer.errors[0]?.message).toContain(message);
  });
});
