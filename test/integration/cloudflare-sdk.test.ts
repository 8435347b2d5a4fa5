import type { AddressInfo } from 'node:net';

import Cloudflare, {
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
} from 'cloudflare';
import { LogUnavailableError } from '@trailpush/core';
import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

const account_id = '023e105f4ecef8ad9ca31a8372d0c353';
const destination_conf =
  'r2://bucket/audit/{DATE}?account-id=0123456789abcdef0123456789abcdef&access-key-id=AKIA1&secret-access-key=canary';
const order = {
  account_id,
  dataset: 'audit_logs_v2' as const,
  destination_conf,
  name: 'sdk.example.com',
  enabled: true,
  filter: '{"where":{"key":"ActionResult","operator":"eq","value":"success"}}',
  output_options: {
    field_names: ['AuditLogID', 'ActionTimestamp'],
    timestamp_format: 'rfc3339' as const,
  },
  max_upload_bytes: 5_000_000 as const,
};

describe('the official cloudflare SDK', () => {
  let api: ApiFixture;
  let baseURL: string;
  let client: Cloudflare;
  beforeAll(async () => {
    api = await startApi();
    await api.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = api.app.server.address() as AddressInfo;
    baseURL = `http://127.0.0.1:${port}/client/v4`;
    client = new Cloudflare({ baseURL, apiToken: ADMIN_TOKEN });
  });
  afterAll(() => api.close());

  it('creates, reads, lists, changes and deletes a job', async () => {
    const created = await client.logpush.jobs.create(order);
    expect(created).toMatchObject({
      id: expect.any(Number) as number,
      dataset: 'audit_logs_v2',
      name: order.name,
      enabled: true,
      filter: order.filter,
      output_options: order.output_options,
      max_upload_bytes: 5_000_000,
      destination_conf: destination_conf.replace('canary', 'REDACTED'),
      last_complete: null,
      error_message: null,
    });
    const id = created?.id ?? 0;
    expect(await client.logpush.jobs.get(id, { account_id })).toEqual(created);
    const listed = [];
    for await (const job of client.logpush.jobs.list({ account_id })) listed.push(job);
    expect(listed).toEqual([created]);
    const changed = await client.logpush.jobs.update(id, {
      account_id,
      enabled: false,
      output_options: { timestamp_format: 'unixnano' },
    });
    expect(changed).toEqual({
      ...created,
      enabled: false,
      output_options: { timestamp_format: 'unixnano' },
    });
    expect(await client.logpush.jobs.delete(id, { account_id })).toEqual({ id });
    await expect(client.logpush.jobs.get(id, { account_id })).rejects.toThrow(NotFoundError);
  });

  it('reads the fields of a dataset, and its jobs', async () => {
    const of = { account_id };
    const fields = await client.logpush.datasets.fields.get('audit_logs_v2', of);
    expect(Object.keys(fields as object)).toHaveLength(23);
    expect(fields).toMatchObject({ ActorEmail: 'string; Email address of the actor.' });
    const created = await client.logpush.jobs.create({ ...order, enabled: false });
    const jobs = [];
    for await (const job of client.logpush.datasets.jobs.get('audit_logs_v2', of)) jobs.push(job);
    expect(jobs).toContainEqual(created);
    const missing = client.logpush.datasets.fields.get('http_requests', of);
    await expect(missing).rejects.toThrow(NotFoundError);
  });

  it('gets the errors of its own classes, with code, message and pointer', async () => {
    const wrong = client.logpush.jobs.create({ ...order, name: 'has space' });
    await expect(wrong).rejects.toThrow(BadRequestError);
    await expect(wrong).rejects.toMatchObject({
      errors: [
        {
          code: 1002,
          message: expect.stringMatching(/^name must consist of/) as string,
          source: { pointer: '/name' },
        },
      ],
    });
    const missing = client.logpush.jobs.get(99_999, { account_id });
    await expect(missing).rejects.toMatchObject({
      errors: [{ code: 1000, message: 'job not found' }],
    });
    const stranger = new Cloudflare({ baseURL, apiToken: 'wrong' });
    const refused = stranger.logpush.jobs.list({ account_id });
    await expect(refused).rejects.toThrow(AuthenticationError);
    await expect(refused).rejects.toMatchObject({
      errors: [{ code: 10_000, message: 'Authentication error' }],
    });
  });

  it('tries again by itself when the log could not be asked, and then succeeds', async () => {
    api.breakLog(new LogUnavailableError('no broker answers'));
    onTestFinished(() => api.breakLog(undefined));
    const impatient = new Cloudflare({ baseURL, apiToken: ADMIN_TOKEN, maxRetries: 0 });
    await expect(impatient.logpush.jobs.create(order)).rejects.toThrow(InternalServerError);
    const patient = client.logpush.jobs.create(order);
    await expect
      .poll(
        () =>
          api.logged().split('"route":"/client/v4/accounts/:account_id/logpush/jobs","status":503')
            .length,
      )
      .toBeGreaterThan(2);
    api.breakLog(undefined);
    expect(await patient).toMatchObject({ enabled: true });
  });
});
