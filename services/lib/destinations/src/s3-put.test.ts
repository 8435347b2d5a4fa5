import { createHash, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

import { type AttemptResult, Secret } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { bodyOf, makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { startFlippingProxy } from '@trailpush/test/kit/flipping-proxy.ts';
import { HttpReceiver } from '@trailpush/test/kit/http-receiver.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { FakeS3 } from '@trailpush/test/kit/s3/fake-s3.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { parseCidrs } from './address.ts';
import { openDestination } from './open-destination.ts';
import { parseTarget } from './policy.ts';
import { parseDestination } from './registry.ts';
import { openS3Put } from './s3-put.ts';

const policy = { allowPrivate: parseCidrs('127.0.0.0/8'), fileRoot: undefined };
const { logger } = createRecordingLogger();
const deps = { clock: systemClock, logger };

describe('PutObject', () => {
  let fake: FakeS3;
  beforeEach(async () => {
    fake = await FakeS3.start();
    fake.createBucket('bucket');
  });
  afterEach(() => fake.stop());

  function confOf(change: { endpoint?: string; secret?: string; bucket?: string } = {}): string {
    const { endpoint = fake.endpoint, secret = fake.secretAccessKey, bucket = 'bucket' } = change;
    return `s3://${bucket}?region=us-east-1&endpoint=${endpoint}&access-key-id=${fake.accessKeyId}&secret-access-key=${encodeURIComponent(secret)}`;
  }

  async function putTo(
    conf: string,
    ...objects: ReturnType<typeof makeObject>[]
  ): Promise<AttemptResult[]> {
    const destination = openDestination(parseDestination(conf, policy), deps);
    const results: AttemptResult[] = [];
    for (const object of objects) results.push(await put(destination, object));
    await destination.close();
    return results;
  }

  it('describes an object by its metadata and stores gzip as gzip', async () => {
    const object = makeObject();
    await putTo(confOf(), object);
    const stored = fake.buckets.get('bucket')!.get(object.key)!;
    expect(stored.contentType).toBe('application/gzip');
    expect(stored.contentEncoding).toBe('');
    expect(gunzipSync(stored.body).toString()).toMatch(/^\{"n":/);
    expect(stored.headers).toEqual({
      'x-amz-meta-job-id': '7',
      'x-amz-meta-topic': 'audit.events',
      'x-amz-meta-partition': '3',
      'x-amz-meta-first-offset': '100',
      'x-amz-meta-last-offset': '199',
      'x-amz-meta-records': String(object.metadata.records),
    });
  });

  it('signs the hash of the body, frames it plainly and waits for no 100 Continue', async () => {
    const receiver = await HttpReceiver.start();
    receiver.faults.push({
      store: true,
      then: { kind: 'answer', status: 200, headers: { etag: '"e"' } },
    });
    const body = [randomBytes(2_000_000), randomBytes(1_000_000)];
    const object = { ...makeObject(), body, bodyBytes: 3_000_000 };
    const [result] = await putTo(confOf({ endpoint: receiver.origin }), object);
    await receiver.stop();
    expect(result?.verdict.kind).toBe('delivered');
    const { headers } = receiver.received[0]!;
    expect(headers['content-length']).toBe('3000000');
    expect(headers['x-amz-content-sha256']).toBe(
      createHash('sha256').update(bodyOf(object)).digest('hex'),
    );
    const names = Object.keys(headers).join(' ');
    expect(names).not.toMatch(/expect|transfer-encoding|content-encoding|checksum|trailer/);
  });

  it('takes no ETag for a success that comes before the whole object was sent', async () => {
    const answer = { kind: 'answer', status: 200, headers: { etag: '"e"' } } as const;
    fake.faults.push({ early: true, then: answer });
    const body = [randomBytes(6_000_000), randomBytes(6_000_000)];
    const [result] = await putTo(confOf(), { ...makeObject(), body, bodyBytes: 12_000_000 });
    expect(result?.verdict.kind).toBe('retry');
    expect(result?.message).toContain('before the whole object was sent');
  });

  it('takes a bit that was flipped on the way for a failed attempt', async () => {
    const proxy = await startFlippingProxy(new URL(fake.endpoint), 40_000);
    const [result] = await putTo(confOf({ endpoint: proxy.origin }), makeObject());
    await proxy.stop();
    expect(result?.verdict.kind).toBe('retry');
    expect(result?.message).toContain('XAmzContentSHA256Mismatch');
    expect(fake.buckets.get('bucket')!.size).toBe(0);
  });

  it('gives AWS a CRC-32 to keep, and the owner of the bucket full control', async () => {
    const object = makeObject();
    const credentials = {
      accessKeyId: fake.accessKeyId,
      secretAccessKey: new Secret(fake.secretAccessKey),
    };
    const uploader = openS3Put(
      {
        target: parseTarget(fake.endpoint, 'endpoint', policy),
        region: 'us-east-1',
        bucket: 'bucket',
        credentials,
        isAws: true,
        encrypted: false,
      },
      deps,
    );
    const outcome = await uploader.upload(object, new AbortController().signal);
    await uploader.close();
    expect(outcome.kind).toBe('delivered');
    const { headers, body } = fake.buckets.get('bucket')!.get(object.key)!;
    expect(headers).toHaveProperty('x-amz-checksum-crc32');
    expect(headers).toMatchObject({ 'x-amz-acl': 'bucket-owner-full-control' });
    expect(body.equals(bodyOf(object))).toBe(true);
  });

  it('asks for encryption when the conf does, and other stores than AWS for no ACL', async () => {
    const object = makeObject();
    const [result] = await putTo(`${confOf()}&sse=AES256`, object);
    expect(result?.verdict.kind).toBe('delivered');
    const { headers } = fake.buckets.get('bucket')!.get(object.key)!;
    expect(headers).toMatchObject({ 'x-amz-server-side-encryption': 'AES256' });
    expect(headers).not.toHaveProperty('x-amz-acl');
  });

  it('corrects a wrong clock by the answer, for the next attempt', async () => {
    fake.clockOffsetMs = 3_600_000;
    const [first, second] = await putTo(confOf(), makeObject(), makeObject());
    expect(first?.verdict.kind).toBe('retry');
    expect(first?.message).toContain('RequestTimeTooSkewed');
    expect(second?.verdict.kind).toBe('delivered');
  });

  it('leaves a wrong secret and a missing bucket to a person', async () => {
    const [wrong] = await putTo(confOf({ secret: 'wrong' }), makeObject());
    expect(wrong?.verdict.kind).toBe('refused');
    expect(wrong?.message).toBe(
      'error 403: error pushing: error uploading to s3: 403 SignatureDoesNotMatch: The signature does not match',
    );
    const [missing] = await putTo(confOf({ bucket: 'missing' }), makeObject());
    expect(missing?.verdict.kind).toBe('refused');
    expect(missing?.message).toContain('404 NoSuchBucket');
  });

  it('names the region in which the bucket is', async () => {
    const headers = { 'x-amz-bucket-region': 'eu-west-1' };
    fake.faults.push({ then: { kind: 'answer', status: 301, headers } });
    const [result] = await putTo(confOf(), makeObject());
    expect(result?.message).toContain('(the bucket is in region eu-west-1)');
  });

  it('is moved by nothing that the environment says', async () => {
    const before = { ...process.env };
    process.env['AWS_ENDPOINT_URL'] = process.env['AWS_ENDPOINT_URL_S3'] = 'http://127.0.0.1:1';
    process.env['AWS_REGION'] = 'eu-west-1';
    process.env['AWS_USE_FIPS_ENDPOINT'] = 'true';
    process.env['AWS_ACCESS_KEY_ID'] = process.env['AWS_SECRET_ACCESS_KEY'] = 'other';
    try {
      const [result] = await putTo(confOf(), makeObject());
      expect(result?.verdict.kind).toBe('delivered');
    } finally {
      process.env = before;
    }
  });
});

describe('the location of a conf', () => {
  it.each([
    ['s3://bucket/a?region=eu-west-1', 's3://bucket'],
    ['s3://bucket/b?region=us-gov-west-1', 's3://bucket'],
    ['s3://bucket?region=auto&endpoint=S3.Example.com', 's3://s3.example.com/bucket'],
    [
      's3://bucket?region=x&endpoint=https://s3.example.com:9000',
      's3://s3.example.com:9000/bucket',
    ],
    [
      'r2://bucket/a?account-id=0123456789abcdef0123456789abcdef',
      'r2://0123456789abcdef0123456789abcdef/bucket',
    ],
  ])('of %s is %s', (conf, location) => {
    const keys = '&access-key-id=AK&secret-access-key=S/K+=';
    const parsed = parseDestination(`${conf}${keys}`, policy);
    expect(parsed.location).toBe(location);
    expect(parsed.secrets.map((secret) => secret.reveal())).toEqual(['S/K+=']);
  });

  it.each([
    ['endpoint=s3.example.com/bucket', 'endpoint must be a host'],
    ['endpoint=s3.example.com?x=1', 'endpoint must be a host'],
    ['endpoint=http://s3.example.com:25', 'port 25'],
    ['endpoint=10.0.0.1', 'address 10.0.0.1 is not public'],
    ['endpoint=', 'endpoint has no host'],
  ])('cannot be had from %s', (endpoint, message) => {
    const conf = `s3://bucket?region=x&access-key-id=AK&secret-access-key=SK&${endpoint}`;
    expect(() => parseDestination(conf, policy)).toThrow(message);
  });

  it('is refused with an encryption other than AES256', () => {
    const conf = 's3://bucket?region=eu-west-1&access-key-id=AK&secret-access-key=SK&sse=aws:kms';
    expect(() => parseDestination(conf, policy)).toThrow('sse aws:kms is not supported');
  });

  it('says what is missing for AWS without keys and for China', () => {
    expect(() => parseDestination('s3://bucket?region=us-east-1', policy)).toThrow(
      'access-key-id must be provided (a bucket policy without keys is not supported)',
    );
    expect(() =>
      parseDestination('s3://bucket?region=cn-north-1&access-key-id=A&secret-access-key=S', policy),
    ).toThrow('needs endpoint=s3.cn-north-1.amazonaws.com.cn');
  });
});
