import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { S3Error } from './s3-error.ts';

const MAX_SKEW_MS = 15 * 60_000;

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * Checks AWS Signature Version 4 of a request, but not the hash of its body.
 * @throws S3Error as S3 answers
 */
export function checkSignature(request: IncomingMessage, keys: S3Keys, nowMs: number): void {
  const authorization = request.headers.authorization ?? '';
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (match === null) throw new S3Error(403, 'AccessDenied', 'Access Denied');
  const [, keyId = '', day = '', region = '', signedHeaders = '', signature = ''] = match;
  if (keyId !== keys.accessKeyId) {
    throw new S3Error(403, 'InvalidAccessKeyId', `The key ${keyId} does not exist`);
  }
  const date = headerOf(request, 'x-amz-date');
  const sentMs = Date.parse(
    date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  );
  if (!(Math.abs(sentMs - nowMs) <= MAX_SKEW_MS)) {
    throw new S3Error(403, 'RequestTimeTooSkewed', 'The request time differs too much');
  }
  const scope = `${day}/${region}/s3/aws4_request`;
  const canonical = canonicalRequest(request, signedHeaders);
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer | string>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${keys.secretAccessKey}`,
  );
  const expected = createHmac('sha256', key).update(toSign).digest();
  if (!timingSafeEqual(expected, Buffer.from(signature, 'hex'))) {
    throw new S3Error(403, 'SignatureDoesNotMatch', 'The signature does not match');
  }
}

function canonicalRequest(request: IncomingMessage, signedHeaders: string): string {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const parameters = query === '' ? [] : query.split('&');
  const canonicalQuery = parameters
    .map((parameter) => (parameter.includes('=') ? parameter : `${parameter}=`))
    .sort()
    .join('&');
  const headers = signedHeaders
    .split(';')
    .map((name) => `${name}:${headerOf(request, name).trim().replace(/ +/g, ' ')}\n`)
    .join('');
  return [
    request.method,
    path,
    canonicalQuery,
    headers,
    signedHeaders,
    headerOf(request, 'x-amz-content-sha256'),
  ].join('\n');
}

export function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
