import { LogUnavailableError } from '@trailpush/core';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { relayedLines } from '@trailpush/test/kit/lines-in-log.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { tokenId } from './tokens.ts';

const SECRET = 'pLaNtEd-s3cret';
const CONF = `https://logs.example.com/in?header_Authorization=Bearer%20${SECRET}`;
const SHOWN = 'https://logs.example.com/in?header_Authorization=REDACTED';
const JOBS = '/client/v4/accounts/acme/logpush/jobs';
const ORDER = { dataset: 'audit_logs_v2', destination_conf: CONF, name: 'first' };

let api: ApiFixture;
beforeEach(async () => {
  api = await startApi({ relays: true });
});
afterEach(() => api.close());

describe('a change of a job', () => {
  it('is an audit event that says who made it, how, and what it did, without secrets', async () => {
    const token = await api.createToken({
      ...{ name: 'terraform', email: 'ann@example.com', accountIds: ['acme'] },
      permissions: ['Logs Write'],
    });
    const created = await api.app.inject({
      method: 'POST',
      url: `${JOBS}?token=${SECRET}`,
      headers: { authorization: `Bearer ${token}`, 'user-agent': 'terraform/1.9' },
      remoteAddress: '192.0.2.7',
      payload: { ...ORDER, ownership_challenge: SECRET },
    });
    expect(created.statusCode).toBe(201);
    const { result: job } = created.json<{ result: { id: number } }>();
    const [line] = await relayedLines(api, 1);
    expect(line).toEqual({
      AccountID: 'acme',
      AccountName: '',
      ActionDescription: 'Create Logpush job',
      ActionResult: 'success',
      ActionTimestamp: expect.stringMatching(/^20\d\d-.*Z$/) as string,
      ActionType: 'create',
      ActorContext: 'api_token',
      ActorEmail: 'ann@example.com',
      ActorID: tokenId(token),
      ActorIPAddress: '192.0.2.7',
      ActorTokenDetails: { token_id: tokenId(token), token_name: 'terraform' },
      ActorType: 'user',
      AuditLogID: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      Raw: {
        cf_ray_id: created.headers['cf-ray'],
        method: 'POST',
        status_code: 201,
        uri: '/accounts/acme/logpush/jobs',
        user_agent: 'terraform/1.9',
      },
      ResourceID: String(job.id),
      ResourceProduct: 'logpush',
      ResourceRequest: { ...ORDER, destination_conf: SHOWN, ownership_challenge: 'REDACTED' },
      ResourceResponse: job,
      ResourceScope: 'accounts',
      ResourceType: 'job',
      ResourceValue: {},
      ZoneID: '',
      ZoneName: '',
    });
    expect(JSON.stringify(line)).not.toContain(SECRET);
  });

  it('shows the job before and after', async () => {
    const { result } = (await api.send('POST', JOBS, ORDER)).body;
    const { id } = result as { id: number };
    await api.send('PUT', `${JOBS}/${id}`, { name: 'second' });
    await api.send('DELETE', `${JOBS}/${id}`);
    const lines = await relayedLines(api, 3);
    expect(lines.map(({ ActionType }) => ActionType)).toEqual(['create', 'update', 'delete']);
    expect(lines.slice(1)).toMatchObject([
      {
        ActorType: 'cloudflare_admin',
        ActorTokenDetails: { token_id: 'admin' },
        ResourceRequest: { name: 'second' },
        ResourceValue: { name: 'first', destination_conf: SHOWN },
        ResourceResponse: { name: 'second', destination_conf: SHOWN },
      },
      {
        ResourceID: String(id),
        ResourceRequest: {},
        ResourceValue: { name: 'second' },
        ResourceResponse: { id },
      },
    ]);
  });

  it('is none when it changed nothing or was refused', async () => {
    const { result } = (await api.send('POST', JOBS, ORDER)).body;
    const { id } = result as { id: number };
    await api.send('PUT', `${JOBS}/${id}`, { name: 'first' });
    await api.send('PUT', `${JOBS}/${id}`, { name: 'has space' });
    await api.send('PUT', `${JOBS}/${id + 1}`, { name: 'other' });
    await api.send('DELETE', `${JOBS}/${id + 1}`);
    await api.send('DELETE', `${JOBS}/${id}`);
    const lines = await relayedLines(api, 2);
    expect(lines.map(({ ActionType }) => ActionType)).toEqual(['create', 'delete']);
  });

  it('stands while the log is away, and its event follows', async () => {
    api.breakLog(new LogUnavailableError('no broker answers'));
    const created = await api.send('POST', JOBS, ORDER);
    expect(created.status).toBe(201);
    await expect.poll(() => api.logged()).toContain('wait in the outbox');
    expect(await api.stores.outbox.count()).toBe(1);
    api.breakLog(undefined);
    await api.send('POST', JOBS, ORDER);
    const lines = await relayedLines(api, 2);
    expect(lines.map(({ ResourceID }) => Number(ResourceID))).toEqual([
      (created.body.result as { id: number }).id,
      (created.body.result as { id: number }).id + 1,
    ]);
  });

  it('is an event without bodies when they are too large for a record', async () => {
    await api.close();
    api = await startApi({ relays: true, maxRecordBytes: 1200 });
    const filter = JSON.stringify({
      where: { key: 'ActorEmail', operator: 'eq', value: 'a'.repeat(900) },
    });
    await api.send('POST', JOBS, { ...ORDER, filter });
    const [line] = await relayedLines(api, 1);
    expect(line).toMatchObject({
      ActionType: 'create',
      ResourceType: 'job',
      ResourceRequest: {},
      ResourceResponse: {},
    });
  });
});
