/**
 * A real S3 server for tests, written by nobody here: TEST_S3_ENDPOINT, else versitygw or Ceph's radosgw
 * from PATH.
 */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

import { startRadosgw } from './radosgw.ts';
import { startVersitygw } from './versitygw.ts';

export interface S3Server {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** What answers there, for the report of a run. */
  readonly description: string;
  /** Does nothing to a server of TEST_S3_ENDPOINT. */
  stop(): Promise<void>;
}

export interface TestS3 extends S3Server {
  createBucket(name: string): Promise<void>;
}

/** A server that this machine may have. Undefined when it does not. */
export type S3Starter = () => Promise<S3Server | undefined>;

/**
 * Starts an S3 server, or says why none can be had.
 * @throws Error when none can be had and `CI=true`, or when one was found but does not come up.
 */
export async function startS3(): Promise<TestS3 | { readonly unavailable: string }> {
  const starters: readonly S3Starter[] = [givenServer, startVersitygw, startRadosgw];
  for (const start of starters) {
    const server = await start();
    if (server !== undefined)
      return { ...server, createBucket: (name) => makeBucket(server, name) };
  }
  const unavailable =
    'no S3 server: set TEST_S3_ENDPOINT, or put versitygw on PATH, or install radosgw ceph-mon ceph-osd ceph-common';
  if (process.env['CI'] === 'true') throw new Error(unavailable);
  return { unavailable };
}

async function givenServer(): Promise<S3Server | undefined> {
  const {
    TEST_S3_ENDPOINT: endpoint = '',
    TEST_S3_REGION: region = 'us-east-1',
    TEST_S3_ACCESS_KEY_ID: accessKeyId = '',
    TEST_S3_SECRET_ACCESS_KEY: secretAccessKey = '',
  } = process.env;
  if (endpoint === '') return undefined;
  if (accessKeyId === '' || secretAccessKey === '') {
    throw new Error(
      'TEST_S3_ENDPOINT needs TEST_S3_ACCESS_KEY_ID and TEST_S3_SECRET_ACCESS_KEY beside it',
    );
  }
  const stop = async (): Promise<void> => undefined;
  return { endpoint, region, accessKeyId, secretAccessKey, description: endpoint, stop };
}

/** A client for looking into buckets. */
export function s3ClientFor(server: Omit<S3Server, 'description' | 'stop'>): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey } = server;
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
  });
}

async function makeBucket(server: S3Server, name: string): Promise<void> {
  const client = s3ClientFor(server);
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  } finally {
    client.destroy();
  }
}
