import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ZONE = '/client/v4/zones/023e105f4ecef8ad9ca31a8372d0c353/logpush';

describe('the Logpush of a zone', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  it.each(['jobs', 'datasets/audit_logs_v2/jobs'])('has no %s', async (path) => {
    const answer = await api.send('GET', `${ZONE}/${path}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ errors: [], messages: [], success: true, result: [] });
  });

  it.each([
    ['audit_logs_v2', 'it is a dataset of accounts, use /accounts/{account_id}/logpush/jobs'],
    ['http_requests', 'this installation has no datasets of zones'],
  ])('takes no job for %s', async (dataset, why) => {
    const body = { dataset, destination_conf: 'https://logs.example.com' };
    const answer = await api.send('POST', `${ZONE}/jobs`, body);
    expect(answer.status).toBe(403);
    const message = `creating a new job (for ${dataset} dataset) is not allowed: ${why}`;
    expect(answer.body.errors).toEqual([{ code: 1004, message }]);
    expect(api.probed).toEqual([]);
  });

  it.each(['GET', 'PUT', 'DELETE'] as const)('finds no job to %s', async (method) => {
    const answer = await api.send(method, `${ZONE}/jobs/1`);
    expect(answer.status).toBe(404);
    expect(answer.body.errors).toEqual([{ code: 1000, message: 'job not found' }]);
  });

  it.each([
    ['audit_logs_v2/fields', 'dataset not found: audit_logs_v2 is a dataset of accounts'],
    ['audit_logs_v2/fields/default', 'dataset not found: audit_logs_v2 is a dataset of accounts'],
    ['nope/fields', 'dataset not found'],
    ['nope/jobs', 'dataset not found'],
  ])('does not know %s', async (path, message) => {
    const answer = await api.send('GET', `${ZONE}/datasets/${path}`);
    expect(answer.status).toBe(404);
    expect(answer.body.errors[0]?.code).toBe(1000);
    expect(answer.body.errors[0]?.message).toContain(message);
  });

  it('has an id like that of an account', async () => {
    const answer = await api.send('GET', '/client/v4/zones/a%2F..%2Fb/logpush/jobs');
    expect(answer.status).toBe(404);
    expect(answer.body.errors[0]?.code).toBe(7003);
  });
});
