import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { messageOf } from '@trailpush/core';
import { SourceError, type EvidenceSource } from '@trailpush/destinations';

/** Of one object, when a connection breaks off in the middle. */
const MAX_READS = 3;

/** What a digest says of an object. */
interface Expected {
  readonly sha256: string;
  readonly bytes: number;
}

/** Reads an object and compares its uncompressed payload. @throws SourceError */
export async function readPayload(
  source: EvidenceSource,
  key: string,
  expected: Expected,
): Promise<'as written' | 'missing' | { readonly fault: string }> {
  for (let reads = 1; ; reads++) {
    const body = await source.read(key);
    if (body === undefined) return 'missing';
    try {
      const fault = await payloadFault(body, expected);
      return fault === undefined ? 'as written' : { fault };
    } catch (error) {
      if (!(error instanceof SourceError) || reads === MAX_READS) throw error;
    }
  }
}

/** Undefined when the payload is what it should be; else what is wrong with it. @throws SourceError */
async function payloadFault(body: Readable, expected: Expected): Promise<string | undefined> {
  const sha256 = createHash('sha256');
  const gunzip = createGunzip();
  let bytes = 0;
  let broken: unknown;
  body.once('error', (error) => {
    broken = error;
    gunzip.destroy(error);
  });
  try {
    for await (const chunk of body.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // Nothing is unpacked beyond what it should be, however much a bomb holds.
      if (bytes > expected.bytes) return `it has more than ${expected.bytes} bytes uncompressed`;
      sha256.update(chunk);
    }
  } catch (error) {
    if (broken !== undefined) {
      throw new SourceError(`an object could not be read to its end (${messageOf(broken)})`);
    }
    return `it is not the gzip that was written (${messageOf(error)})`;
  } finally {
    body.destroy();
    gunzip.destroy();
  }
  if (bytes !== expected.bytes) {
    return `it has ${bytes} bytes uncompressed instead of ${expected.bytes}`;
  }
  if (sha256.digest('hex') !== expected.sha256) return 'its content has another SHA-256';
  return undefined;
}
