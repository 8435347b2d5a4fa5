import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';

import { S3Error } from './s3-error.ts';
import { headerOf } from './signature.ts';

/** Digests of `x-amz-checksum-*` that can be verified, base64. */
const CHECKSUMS: ReadonlyMap<string, (body: Buffer) => string> = new Map([
  ['crc32', (body) => bigEndian32(crc32(body))],
  ['crc32c', (body) => bigEndian32(crc32c(body))],
  ['sha1', (body) => hash('sha1', body)],
  ['sha256', (body) => hash('sha256', body)],
]);

const PREFIX = 'x-amz-checksum-';

/**
 * Verifies everything that a request says about its body: the signed SHA-256, Content-MD5 and
 * checksums, in headers or in `trailers`.
 * @returns the checksum headers, to be kept with the object
 * @throws S3Error as S3 answers
 */
export function verifyBody(
  request: IncomingMessage,
  body: Buffer,
  trailers: ReadonlyMap<string, string>,
): Record<string, string> {
  const payloadHash = headerOf(request, 'x-amz-content-sha256');
  if (/^[0-9a-f]{64}$/.test(payloadHash)) {
    if (createHash('sha256').update(body).digest('hex') !== payloadHash) {
      throw new S3Error(400, 'XAmzContentSHA256Mismatch', 'The SHA-256 of the body differs');
    }
  } else if (!/^(?:UNSIGNED-PAYLOAD|STREAMING-UNSIGNED-PAYLOAD-TRAILER)$/.test(payloadHash)) {
    throw new S3Error(501, 'NotImplemented', `x-amz-content-sha256 ${payloadHash} is not known`);
  }
  const md5 = headerOf(request, 'content-md5');
  if (md5 !== '' && hash('md5', body) !== md5) {
    throw new S3Error(400, 'BadDigest', 'The Content-MD5 of the body differs');
  }
  const kept: Record<string, string> = {};
  for (const [name, value] of [...Object.entries(request.headers), ...trailers]) {
    if (!name.startsWith(PREFIX) || name === `${PREFIX}algorithm`) continue;
    const digest = CHECKSUMS.get(name.slice(PREFIX.length));
    if (digest === undefined) throw new S3Error(501, 'NotImplemented', `${name} is not known`);
    if (digest(body) !== value) throw new S3Error(400, 'BadDigest', `The ${name} differs`);
    kept[name] = value;
  }
  return kept;
}

/** A body in `aws-chunked` without chunk signatures: `<hex length>\r\n<bytes>\r\n ... 0\r\n<trailers>\r\n`. */
export function decodeAwsChunked(encoded: Buffer): {
  body: Buffer;
  trailers: ReadonlyMap<string, string>;
} {
  const chunks: Buffer[] = [];
  let position = 0;
  for (;;) {
    const end = encoded.indexOf('\r\n', position);
    const length = end === -1 ? NaN : parseInt(encoded.toString('latin1', position, end), 16);
    if (Number.isNaN(length)) throw new S3Error(400, 'IncompleteBody', 'The chunks are cut short');
    position = end + 2;
    if (length === 0) break;
    chunks.push(encoded.subarray(position, position + length));
    position += length + 2;
  }
  const lines = encoded.toString('latin1', position).split('\r\n');
  const trailers = lines
    .filter((line) => line.includes(':'))
    .map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
  return { body: Buffer.concat(chunks), trailers: new Map(trailers) };
}

function hash(algorithm: string, body: Buffer): string {
  return createHash(algorithm).update(body).digest('base64');
}

function bigEndian32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function crc32c(body: Buffer): number {
  let value = 0xffffffff;
  for (const byte of body) value = (value >>> 8) ^ CRC32C_TABLE[(value ^ byte) & 0xff]!;
  return (value ^ 0xffffffff) >>> 0;
}
