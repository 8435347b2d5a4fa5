import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';

import {
  PutObjectCommand,
  S3ServiceException,
  type PutObjectCommandOutput,
} from '@aws-sdk/client-s3';

import type { DestinationDeps, Outcome, Upload, Uploader } from './kind.ts';
import type { S3Credentials } from './s3.ts';
import { createS3Client, type S3Access } from './s3-client.ts';
import { metadataOf, STORE_DEADLINE_MS } from './store-put.ts';
import { parseRetryAfter, s3Verdict } from './verdict.ts';

export interface S3PutOptions extends S3Access {
  readonly credentials: S3Credentials;
  /** True asks the store to encrypt with keys of its own (SSE-S3). */
  readonly encrypted: boolean;
}

/** An uploader that makes each object by one PutObject. */
export function openS3Put(options: S3PutOptions, deps: DestinationDeps): Uploader {
  const client = createS3Client(options, { ...deps, maxAttempts: 1 });
  return {
    deadlineMs: STORE_DEADLINE_MS,
    async upload(object, signal) {
      try {
        const body = Readable.from(object.body, { objectMode: false });
        const command = commandFor(object, body, options);
        const sent = client.send(command, { abortSignal: signal });
        const output = await unlessAborted(sent, signal);
        return judgeSuccess(output, body);
      } catch (error) {
        const outcome = judgeFailure(error, deps.clock.now());
        if (outcome === undefined) throw error;
        return outcome;
      }
    },
    async close() {
      client.destroy();
    },
  };
}

/**
 * The body goes out in the pieces that it is in: joining them would hold it twice, and costs a garbage
 * collection an object. The SDK cannot hash a stream before it is sent, so that is done here.
 */
function commandFor(
  object: Upload,
  body: Readable,
  { bucket, isAws, encrypted }: S3PutOptions,
): PutObjectCommand {
  const sha256 = createHash('sha256');
  for (const piece of object.body) sha256.update(piece);
  const command = new PutObjectCommand({
    Bucket: bucket,
    Key: object.key,
    Body: body,
    ContentLength: object.bodyBytes,
    // No Content-Encoding: HTTP clients would unpack the object under its .gz name.
    ContentType: object.isPlain ? object.contentType : 'application/gzip',
    Metadata: metadataOf(object.metadata, '-'),
    // AWS keeps it with the object; other stores answer 501 to it, or do not look at it. There the signed
    // SHA-256 of the body, which goes to all, makes a flipped bit an error.
    ...(isAws ? { ChecksumCRC32: crc32Of(object.body) } : {}),
    // As Logpush does. It matters where the keys are of another account than the bucket; other stores know
    // no ACLs and may answer 501.
    ...(isAws ? { ACL: 'bucket-owner-full-control' } : {}),
    ...(encrypted ? { ServerSideEncryption: 'AES256' } : {}),
  });
  signBody(command, sha256.digest('hex'));
  return command;
}

function signBody(command: PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      headers['x-amz-content-sha256'] = sha256;
      return next(args);
    },
    { step: 'build', name: 'signBody' },
  );
}

function crc32Of(body: readonly Uint8Array[]): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(body.reduce((sum, piece) => crc32(piece, sum), 0));
  return bytes.toString('base64');
}

/** The SDK hears of no abort once the connection is closed, and never ends if that was without an answer. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function judgeSuccess({ $metadata, ETag }: PutObjectCommandOutput, body: Readable): Outcome {
  const status = $metadata.httpStatusCode ?? 0;
  const isStored = status === 200 && ETag !== undefined && ETag !== '';
  if (isStored && body.readableEnded) return { kind: 'delivered', status };
  const hint = isStored
    ? 'it answered before the whole object was sent'
    : 'without an ETag: something other than an object store answered, a proxy perhaps';
  return { kind: 'failed', verdict: s3Verdict(status, undefined, undefined), status, hint };
}

/** Undefined when there was no answer to judge. */
function judgeFailure(error: unknown, nowMs: number): Outcome | undefined {
  if (!(error instanceof Error)) return undefined;
  const answer = answerOf(error);
  if (answer === undefined) return undefined;
  const { status, headers } = answer;
  // Where the answer was not XML, the SDK has no code.
  const hasCode = error instanceof S3ServiceException && !/^(?:Unknown|\d+$)/.test(error.name);
  const code = hasCode ? error.name : undefined;
  const retryAfterMs = parseRetryAfter(headers['retry-after'], nowMs);
  const region = headers['x-amz-bucket-region'];
  return {
    kind: 'failed',
    verdict: s3Verdict(status, code, retryAfterMs),
    status,
    answer: hasCode ? `${error.name}: ${error.message}` : 'the answer was no answer of S3',
    ...(region !== undefined && status >= 300 && status < 500 && /^[a-z0-9-]{1,40}$/.test(region)
      ? { hint: `the bucket is in region ${region}` }
      : {}),
  };
}

interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Status and headers from an error of the SDK, whichever way it was thrown. */
function answerOf(error: Error): ErrorAnswer | undefined {
  const { $response: response } = error as { $response?: unknown };
  if (typeof response !== 'object' || response === null) return undefined;
  const { statusCode, headers } = response as { statusCode?: unknown; headers?: unknown };
  if (typeof statusCode !== 'number' || typeof headers !== 'object' || headers === null) {
    return undefined;
  }
  return { status: statusCode, headers: headers as ErrorAnswer['headers'] };
}
