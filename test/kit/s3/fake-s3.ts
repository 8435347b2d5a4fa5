import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { FaultScript, playAnswer, playBeforeBody } from '../http-fault.ts';
import { readBody } from '../read-body.ts';
import { decodeAwsChunked, verifyBody } from './checksums.ts';
import { listBuckets, listObjects } from './listing.ts';
import { S3Error } from './s3-error.ts';
import { checkSignature, headerOf, type S3Keys } from './signature.ts';

export interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
  readonly contentType: string;
  readonly contentEncoding: string;
  /** `x-amz-meta-*`, `x-amz-checksum-*`, `x-amz-acl` and `x-amz-server-side-encryption`, as headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly modifiedMs: number;
}

export type Bucket = Map<string, StoredObject>;

export interface FakeS3Options extends Partial<S3Keys> {
  readonly port?: number;
  /** As R2: a key takes one write a second, further ones are answered 429. */
  readonly isR2?: boolean;
}

const R2_WRITE_INTERVAL_MS = 1_000;

/**
 * An object store in memory that speaks enough of S3 for one PutObject an object: signatures and
 * checksums are verified before an object can be seen, conditional writes are kept. Reading needs no
 * credentials. `faults` makes it misbehave.
 */
export class FakeS3 implements S3Keys {
  readonly region = 'us-east-1';
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly buckets = new Map<string, Bucket>();
  /** Faults of the next PUTs. */
  readonly faults = new FaultScript();
  /** How far this server's clock is ahead. */
  clockOffsetMs = 0;
  /** PUTs that began, whatever came of them. */
  puts = 0;
  readonly #isR2: boolean;
  readonly #server: Server;

  private constructor(options: FakeS3Options) {
    this.accessKeyId = options.accessKeyId ?? 'AKIDFAKES3';
    this.secretAccessKey = options.secretAccessKey ?? 'fake/secret+key=0123456789';
    this.#isR2 = options.isR2 ?? false;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => request.socket.destroy());
    });
  }

  static async start(options: FakeS3Options = {}): Promise<FakeS3> {
    const fake = new FakeS3(options);
    await new Promise<void>((resolve, reject) => {
      fake.#server.once('error', reject);
      fake.#server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  createBucket(name: string): Bucket {
    const bucket: Bucket = new Map();
    this.buckets.set(name, bucket);
    return bucket;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isPut = request.method === 'PUT';
    const fault = isPut ? this.faults.take() : undefined;
    if (isPut) this.puts += 1;
    if (!(await playBeforeBody(fault, request, response))) return;
    const encoded = await readBody(request);
    try {
      if (fault === undefined || fault.store === true || fault.then.kind === 'proceed') {
        this.#work(
          request,
          encoded,
          fault === undefined || fault.then.kind === 'proceed' ? response : undefined,
        );
      }
      if (fault !== undefined && fault.then.kind !== 'proceed') playAnswer(fault, response);
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      const now = new Date(Date.now() + this.clockOffsetMs).toUTCString();
      const headers = { 'content-type': 'application/xml', date: now };
      response.writeHead(error.status, headers);
      response.end(request.method === 'HEAD' ? undefined : error.toXml());
    }
  }

  /** Does what the request asks for, and answers if there is a `response`. */
  #work(request: IncomingMessage, encoded: Buffer, response: ServerResponse | undefined): void {
    if (!isRead(request) || request.headers.authorization !== undefined) {
      checkSignature(request, this, Date.now() + this.clockOffsetMs);
    }
    const url = new URL(request.url ?? '/', 'http://fake');
    const [bucketName = '', ...rest] = url.pathname.slice(1).split('/');
    const key = decodeURIComponent(rest.join('/'));
    if (bucketName === '') {
      reply(response, listBuckets(this.buckets.keys()));
    } else if (request.method === 'PUT' && key === '') {
      this.createBucket(bucketName);
      reply(response, '');
    } else {
      this.#workInBucket(request, encoded, response, { url, bucketName, key });
    }
  }

  #workInBucket(
    request: IncomingMessage,
    encoded: Buffer,
    response: ServerResponse | undefined,
    { url, bucketName, key }: { url: URL; bucketName: string; key: string },
  ): void {
    const bucket = this.buckets.get(bucketName);
    if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket', 'The bucket does not exist');
    if (request.method === 'PUT') {
      const object = this.#put(request, bucket, key, encoded);
      response?.writeHead(200, { etag: object.etag, ...checksumsOf(object) }).end();
    } else if (!isRead(request)) {
      throw new S3Error(501, 'NotImplemented', `${request.method ?? ''} is not implemented`);
    } else if (key === '') {
      reply(response, listObjects(bucketName, bucket, url.searchParams));
    } else {
      sendObject(request, response, bucket.get(key));
    }
  }

  #put(request: IncomingMessage, bucket: Bucket, key: string, encoded: Buffer): StoredObject {
    const isChunked = headerOf(request, 'content-encoding').includes('aws-chunked');
    const { body, trailers } = isChunked
      ? decodeAwsChunked(encoded)
      : { body: encoded, trailers: new Map<string, string>() };
    const checksums = verifyBody(request, body, trailers);
    const old = bucket.get(key);
    checkConditions(request, old);
    const modifiedMs = Date.now();
    if (this.#isR2 && old !== undefined && modifiedMs - old.modifiedMs < R2_WRITE_INTERVAL_MS) {
      throw new S3Error(429, 'TooManyRequests', 'Reduce your rate of requests for the same object');
    }
    const meta = Object.entries(request.headers).filter(([name]) =>
      /^x-amz-(?:meta-|acl$|server-side-encryption$)/.test(name),
    );
    const object: StoredObject = {
      body,
      etag: `"${createHash('md5').update(body).digest('hex')}"`,
      contentType: headerOf(request, 'content-type'),
      contentEncoding: headerOf(request, 'content-encoding').replace(/aws-chunked,?/, ''),
      headers: { ...(Object.fromEntries(meta) as Record<string, string>), ...checksums },
      modifiedMs,
    };
    bucket.set(key, object);
    return object;
  }
}

function isRead(request: IncomingMessage): boolean {
  return request.method === 'GET' || request.method === 'HEAD';
}

function checkConditions(request: IncomingMessage, old: StoredObject | undefined): void {
  const mustBeNew = headerOf(request, 'if-none-match') === '*';
  const mustMatch = headerOf(request, 'if-match');
  if ((mustBeNew && old !== undefined) || (mustMatch !== '' && mustMatch !== old?.etag)) {
    throw new S3Error(412, 'PreconditionFailed', 'A precondition did not hold');
  }
}

function checksumsOf(object: StoredObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object.headers).filter(([name]) => name.startsWith('x-amz-checksum-')),
  );
}

function sendObject(
  request: IncomingMessage,
  response: ServerResponse | undefined,
  object: StoredObject | undefined,
): void {
  if (object === undefined) throw new S3Error(404, 'NoSuchKey', 'The key does not exist');
  response?.writeHead(200, {
    etag: object.etag,
    'content-type': object.contentType,
    'content-length': object.body.length,
    'last-modified': new Date(object.modifiedMs).toUTCString(),
    ...(object.contentEncoding === '' ? {} : { 'content-encoding': object.contentEncoding }),
    ...object.headers,
  });
  response?.end(request.method === 'HEAD' ? undefined : object.body);
}

function reply(response: ServerResponse | undefined, xml: string): void {
  response?.writeHead(200, { 'content-type': 'application/xml' }).end(xml);
}
