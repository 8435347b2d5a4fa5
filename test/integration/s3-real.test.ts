import { randomUUID } from 'node:crypto';

import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { openDestination, parseCidrs, parseDestination } from '@trailpush/destinations';
import { systemClock } from '@trailpush/runtime';
import { afterAll, describe, expect, it } from 'vitest';

import { destinationContract, type DestinationPlace } from '../kit/contracts/destination.ts';
import { makeObject, put } from '../kit/contracts/destination/suite.ts';
import { startFlippingProxy } from '../kit/flipping-proxy.ts';
import { createRecordingLogger } from '../kit/recording-logger.ts';
import { s3ClientFor, startS3, type TestS3 } from '../kit/s3/index.ts';

const started = await startS3();

if ('unavailable' in started) {
  it.skip(`S3: ${started.unavailable}`);
} else {
  const server = started;
  const client = s3ClientFor(server);
  afterAll(async () => {
    client.destroy();
    await server.stop();
  });

  destinationContract(`s3 on ${server.description}`, {
    answers: 'none',
    storesByKey: true,
    start: () => startPlace(server),
  });

  describe(`s3 on ${server.description}`, () => {
    it('keeps what an object says about itself', async () => {
      const place = await startPlace(server);
      const object = makeObject();
      expect((await putTo(place.conf, object)).verdict.kind).toBe('delivered');
      const head = await client.send(
        new HeadObjectCommand({ Bucket: bucketOf(place.conf), Key: object.key }),
      );
      expect(head.ContentType).toBe('application/gzip');
      expect(head.ContentEncoding).toBeUndefined();
      expect(head.ETag).toMatch(/^"[0-9a-f]{32}"$/);
      expect(head.Metadata).toEqual({
        'job-id': '7',
        topic: 'audit.events',
        partition: '3',
        'first-offset': '100',
        'last-offset': '199',
        records: String(object.metadata.records),
      });
    });

    it('notices a bit that was flipped on the way, by the signed hash of the body', async () => {
      const place = await startPlace(server);
      const proxy = await startFlippingProxy(new URL(server.endpoint), 40_000);
      const result = await putTo(place.conf.replace(server.endpoint, proxy.origin), makeObject());
      await proxy.stop();
      expect(result.verdict.kind).toBe('retry');
      expect(result.message).toContain('XAmzContentSHA256Mismatch');
      expect((await place.stored()).size).toBe(0);
    });

    it('leaves a wrong secret, a wrong key and a missing bucket to a person', async () => {
      const { conf } = await startPlace(server);
      const wrongSecret = conf.replace(/(secret-access-key)=[^&]*/, '$1=wrong');
      const wrongKey = conf.replace(/(access-key-id)=[^&]*/, '$1=AKIDUNKNOWN');
      const wrongBucket = conf.replace(bucketOf(conf), `missing-${randomUUID()}`);
      for (const wrong of [wrongSecret, wrongKey, wrongBucket]) {
        const result = await putTo(wrong, makeObject());
        expect(result.verdict.kind).toBe('refused');
        expect(result.message).toMatch(
          /^error 40[34]: error pushing: error uploading to s3: 40[34] /,
        );
      }
    });

    it('stores an object of 12 MB', async () => {
      const place = await startPlace(server);
      const object = {
        ...makeObject(),
        body: [Buffer.alloc(12_000_000, 'x')],
        bodyBytes: 12_000_000,
      };
      expect((await putTo(place.conf, object)).verdict.kind).toBe('delivered');
      const got = await client.send(
        new GetObjectCommand({ Bucket: bucketOf(place.conf), Key: object.key, Range: 'bytes=0-9' }),
      );
      expect(got.ContentRange).toBe('bytes 0-9/12000000');
    });
  });

  async function startPlace(server: TestS3): Promise<DestinationPlace> {
    const { endpoint, region, accessKeyId, secretAccessKey } = server;
    const bucket = `contract-${randomUUID()}`;
    await server.createBucket(bucket);
    const conf = `s3://${bucket}/logs?region=${region}&endpoint=${endpoint}&access-key-id=${accessKeyId}&secret-access-key=${encodeURIComponent(secretAccessKey)}`;
    return {
      conf,
      parsed: parseDestination(conf, policy),
      stored: () => objectsIn(bucket),
      faults: undefined,
      stop: async () => undefined,
    };
  }

  async function objectsIn(bucket: string): Promise<Map<string, Buffer[]>> {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    const objects = new Map<string, Buffer[]>();
    for (const { Key = '' } of Contents) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      objects.set(Key, [Buffer.from(await Body!.transformToByteArray())]);
    }
    return objects;
  }
}

/** The server may be anywhere; the address guard has tests of its own. */
const policy = { allowPrivate: parseCidrs('0.0.0.0/0 ::/0'), fileRoot: undefined };

function bucketOf(conf: string): string {
  return /^s3:\/\/([^/]+)/.exec(conf)?.[1] ?? '';
}

async function putTo(conf: string, object: ReturnType<typeof makeObject>): ReturnType<typeof put> {
  const { logger } = createRecordingLogger();
  const destination = openDestination(parseDestination(conf, policy), {
    clock: systemClock,
    logger,
  });
  try {
    return await put(destination, object);
  } finally {
    await destination.close();
  }
}
