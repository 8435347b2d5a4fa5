import type { AddressInfo } from 'node:net';

import Cloudflare7 from 'cloudflare';
import Cloudflare4 from 'cloudflare4';
import Cloudflare5 from 'cloudflare5';
import Cloudflare6 from 'cloudflare6';
import { LogUnavailableError } from '@trailpush/core';
import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import type { LogpushClient, LogpushSdk } from '../kit/logpush-sdk.ts';

/** Each is checked by the compiler to have the calls with these parameters and results. */
const SDKS: readonly (readonly [major: number, sdk: LogpushSdk])[] = [
  [4, Cloudflare4],
  [5, Cloudflare5],
  [6, Cloudflare6],
  [7, Cloudflare7],
];

const destination_conf =
  'r2://bucket/audit/{DATE}?account-id=0123456789abcdef0123456789abcdef&access-key-id=AKIA1&secret-access-key=canary';
// Version 4 does not know audit_logs_v2 yet.
const dataset = 'audit_logs' as const;
const order = {
  dataset,
  destination_conf,
  name: 'sdk.example.com',
  enabled: true,
  filter: '{"where":{"key":"ActorEmail","operator":"eq","value":"ann@example.com"}}',
  output_options: { field_names: ['ID', 'When'], timestamp_format: 'rfc3339' as const },
  max_upload_bytes: 5_000_000 as const,
};

async function all<Item>(pages: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

describe.each(SDKS)('version %i of the official cloudflare SDK', (major, Sdk) => {
  let api: ApiFixture;
  let baseURL: string;
  let client: LogpushClient;
  beforeAll(async () => {
    api = await startApi();
    await api.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = api.app.server.address() as AddressInfo;
    baseURL = `http://127.0.0.1:${port}/client/v4`;
    client = new Sdk({ baseURL, apiToken: ADMIN_TOKEN });
  });
  afterAll(() => api.close());

  /** Each test has an account of its own. */
  let of = { account_id: `sdk-${major}-0` };
  beforeEach(() => {
    of = { account_id: `sdk-${major}-${Number(of.account_id.split('-')[2]) + 1}` };
  });

  it('creates, reads, lists, changes and deletes a job', async () => {
    const { jobs } = client.logpush;
    const created = await jobs.create({ ...of, ...order });
    expect(created).toMatchObject({
      ...order,
      id: expect.any(Number) as number,
      destination_conf: destination_conf.replace('canary', 'REDACTED'),
      last_complete: null,
      error_message: null,
    });
    const id = created?.id ?? 0;
    expect(await jobs.get(id, of)).toEqual(created);
    expect(await all(jobs.list(of))).toEqual([created]);
    const change = { enabled: false, output_options: { timestamp_format: 'unixnano' as const } };
    const changed = await jobs.update(id, { ...of, ...change });
    expect(changed).toEqual({ ...created, ...change });
    expect(await jobs.delete(id, of)).toEqual({ id });
    await expect(jobs.get(id, of)).rejects.toThrow(Sdk.NotFoundError);
    expect(await all(jobs.list(of))).toEqual([]);
  });

  it('reads the fields of a dataset, and its jobs', async () => {
    const { datasets, jobs } = client.logpush;
    const fields = await datasets.fields.get(dataset, of);
    expect(Object.keys(fields as object)).toHaveLength(15);
    const created = await jobs.create({ ...of, ...order, enabled: false });
    expect(await all(datasets.jobs.get(dataset, of))).toEqual([created]);
    const missing = datasets.fields.get('http_requests', of);
    await expect(missing).rejects.toThrow(Sdk.NotFoundError);
  });

  it('validates destinations and options', async () => {
    const { validate, jobs } = client.logpush;
    const valid = { valid: true, message: '' };
    expect(await validate.destination({ ...of, destination_conf })).toEqual(valid);
    const wrong = await validate.destination({ ...of, destination_conf: 'ftp://x' });
    expect(wrong).toMatchObject({ valid: false });
    const exists = async () => validate.destinationExists({ ...of, destination_conf });
    expect(await exists()).toEqual({ exists: false });
    await jobs.create({ ...of, ...order });
    expect(await exists()).toEqual({ exists: true });
    expect(await validate.origin({ ...of, logpull_options: 'fields=ID' })).toEqual(valid);
    expect(await validate.origin({ ...of, logpull_options: null })).toEqual(valid);
  });

  it('asks for a proof of ownership, and has it checked', async () => {
    const { ownership } = client.logpush;
    const challenge = await ownership.create({ ...of, destination_conf });
    expect(challenge).toMatchObject({ valid: true, message: '' });
    expect(challenge?.filename).toMatch(/^bucket\/audit\/.*ownership-challenge\.txt$/);
    const proof = { ...of, destination_conf, ownership_challenge: 'wrong' };
    expect(await ownership.validate(proof)).toEqual({ valid: false });
  });

  it('finds nothing in a zone, and cannot make a job there', async () => {
    const { jobs, datasets, validate } = client.logpush;
    const zone = { zone_id: '023e105f4ecef8ad9ca31a8372d0c353' };
    expect(await all(jobs.list(zone))).toEqual([]);
    expect(await all(datasets.jobs.get(dataset, zone))).toEqual([]);
    await expect(jobs.get(1, zone)).rejects.toThrow(Sdk.NotFoundError);
    const refused = jobs.create({ ...zone, ...order });
    await expect(refused).rejects.toThrow(Sdk.PermissionDeniedError);
    await expect(refused).rejects.toMatchObject({ errors: [{ code: 1004 }] });
    expect(await validate.origin({ ...zone, logpull_options: '' })).toMatchObject({ valid: true });
  });

  it('gets the errors of its own classes, with code, message and pointer', async () => {
    const { jobs } = client.logpush;
    const wrong = jobs.create({ ...of, ...order, name: 'has space' });
    await expect(wrong).rejects.toThrow(Sdk.BadRequestError);
    await expect(wrong).rejects.toMatchObject({
      errors: [
        {
          code: 1002,
          message: expect.stringMatching(/^name must consist of/) as string,
          source: { pointer: '/name' },
        },
      ],
    });
    await expect(jobs.get(99_999, of)).rejects.toMatchObject({
      errors: [{ code: 1000, message: 'job not found' }],
    });
    const stranger = new Sdk({ baseURL, apiToken: 'wrong' });
    const refused = all(stranger.logpush.jobs.list(of));
    await expect(refused).rejects.toThrow(Sdk.AuthenticationError);
    await expect(refused).rejects.toMatchObject({
      errors: [{ code: 10_000, message: 'Authentication error' }],
    });
  });

  it('tries again by itself when the log could not be asked, and then succeeds', async () => {
    api.breakLog(new LogUnavailableError('no broker answers'));
    onTestFinished(() => api.breakLog(undefined));
    const impatient = new Sdk({ baseURL, apiToken: ADMIN_TOKEN, maxRetries: 0 });
    const failed = impatient.logpush.jobs.create({ ...of, ...order });
    await expect(failed).rejects.toThrow(Sdk.InternalServerError);
    const patient = client.logpush.jobs.create({ ...of, ...order });
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
