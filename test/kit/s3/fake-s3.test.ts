import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FakeS3 } from './fake-s3.ts';
import { s3ClientFor } from './index.ts';

const Bucket = 'bucket';

describe('FakeS3', () => {
  let fake: FakeS3;
  let client: S3Client;
  beforeEach(async () => {
    fake = await FakeS3.start();
    fake.createBucket(Bucket);
    client = s3ClientFor(fake);
  });
  afterEach(async () => {
    client.destroy();
    await fake.stop();
  });

  const put = (input: Partial<PutObjectCommandInput>): Promise<string> =>
    client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'hello', ...input })).then(
      ({ ETag = '' }) => ETag,
      (error: unknown) => (error as Error).name,
    );

  it('gives back what was put, to anybody who reads', async () => {
    expect(await put({ Metadata: { a: 'b' }, ContentType: 'text/x' })).toBe(
      '"5d41402abc4b2a76b9719d911017c592"',
    );
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'k' }));
    expect(await got.Body?.transformToString()).toBe('hello');
    expect(got).toMatchObject({ Metadata: { a: 'b' }, ContentType: 'text/x', ContentLength: 5 });
    expect(await (await fetch(`${fake.endpoint}/${Bucket}/k`)).text()).toBe('hello');
    await expect(client.send(new HeadObjectCommand({ Bucket, Key: 'none' }))).rejects.toThrow();
  });

  it('verifies every digest before the object can be seen', async () => {
    const zeros32 = 'AAAAAA==';
    expect(await put({ ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' })).toBe('BadDigest');
    expect(await put({ ChecksumCRC32: zeros32 })).toBe('BadDigest');
    expect(await put({ ChecksumCRC32C: zeros32 })).toBe('BadDigest');
    expect(await put({ ChecksumSHA1: `${'A'.repeat(27)}=` })).toBe('BadDigest');
    expect(await put({ ChecksumSHA256: `${'A'.repeat(43)}=` })).toBe('BadDigest');
    expect(fake.buckets.get(Bucket)?.size).toBe(0);
    expect(
      await put({ ChecksumCRC32: 'NhCmhg==', ContentMD5: 'XUFAKrxLKna5cZ2REBfFkg==' }),
    ).toMatch(/^"/);
    expect(await put({ ChecksumCRC32C: 'mnG7TA==' })).toMatch(/^"/);
  });

  it('takes a stream in aws-chunked, by its trailer', async () => {
    const body = 'streamed '.repeat(20_000);
    const sdk = new S3Client({
      endpoint: fake.endpoint,
      region: 'us-east-1',
      credentials: fake,
      forcePathStyle: true,
    });
    const input = {
      Bucket,
      Key: 'k',
      Body: Readable.from([Buffer.from(body)]),
      ContentLength: body.length,
    };
    await sdk.send(new PutObjectCommand(input));
    const { Body } = await sdk.send(new GetObjectCommand({ Bucket, Key: 'k' }));
    expect(await text(Body as Readable)).toBe(body);
    expect(fake.buckets.get(Bucket)?.get('k')?.headers).toHaveProperty('x-amz-checksum-crc32');
    sdk.destroy();
  });

  it('writes only once under If-None-Match, also in a race', async () => {
    const results = await Promise.all(Array.from({ length: 8 }, () => put({ IfNoneMatch: '*' })));
    expect(results.filter((result) => result !== 'PreconditionFailed')).toHaveLength(1);
  });

  it('refuses wrong keys, and writes without any', async () => {
    for (const wrong of [{ accessKeyId: 'AKIDOTHER' }, { secretAccessKey: 'other' }]) {
      const other = s3ClientFor({ ...keysOf(fake), ...wrong });
      const attempt = other.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
      await expect(attempt).rejects.toThrow(/./);
      other.destroy();
    }
    expect((await fetch(`${fake.endpoint}/${Bucket}/k`, { method: 'PUT', body: 'x' })).status).toBe(
      403,
    );
    expect(fake.buckets.get(Bucket)?.size).toBe(0);
  });

  it('lists buckets, and odd keys over several pages', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'second' }));
    const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
    expect(Buckets.map(({ Name }) => Name)).toEqual([Bucket, 'second']);
    const keys = ['a b', 'a&b', 'a/ü', 'a+b', 'a<b', 'b/c'].sort();
    for (const Key of keys) await put({ Key });
    const found: string[] = [];
    for await (const page of paginateListObjectsV2(
      { client, pageSize: 2 },
      { Bucket, Prefix: 'a' },
    )) {
      found.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    }
    expect(found).toEqual(keys.filter((key) => key.startsWith('a')));
  });

  it('as R2 takes one write a second to a key', async () => {
    const r2 = await FakeS3.start({ isR2: true });
    r2.createBucket(Bucket);
    const sdk = s3ClientFor(r2);
    const write = (Key: string): Promise<number | undefined> =>
      sdk.send(new PutObjectCommand({ Bucket, Key, Body: 'x' })).then(
        () => 200,
        (error: unknown) =>
          (error as { $metadata: { httpStatusCode?: number } }).$metadata.httpStatusCode,
      );
    expect([await write('a'), await write('a'), await write('b')]).toEqual([200, 429, 200]);
    sdk.destroy();
    await r2.stop();
  });
});

function keysOf({
  endpoint,
  region,
  accessKeyId,
  secretAccessKey,
}: FakeS3): Parameters<typeof s3ClientFor>[0] {
  return { endpoint, region, accessKeyId, secretAccessKey };
}
