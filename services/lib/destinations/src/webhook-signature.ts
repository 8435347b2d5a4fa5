import { createHmac } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

import { type Conf, invalidConf } from './conf.ts';
import type { Upload } from './kind.ts';

const PARAM = 'signing-secret';
/** Larger pieces than zlib's own, since each is a turn of the event loop. */
const CHUNK_BYTES = 256 * 1024;

export function isSigningParam(name: string): boolean {
  return name === PARAM;
}

/**
 * The key of `signing-secret=whsec_<base64>`, or undefined when the conf has none.
 * @see https://www.standardwebhooks.com: 24 to 64 random bytes
 * @throws InvalidDestinationError
 */
export function parseSigningKey(conf: Conf): Buffer | undefined {
  const [secret, ...more] = conf.params.filter(({ name }) => isSigningParam(name));
  if (secret === undefined) return undefined;
  if (more.length > 0) throw invalidConf(`parameter ${PARAM} is given twice`);
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret.value) ?? [];
  const key = Buffer.from(base64, 'base64');
  if (key.length < 24 || key.length > 64) {
    throw invalidConf(
      `${PARAM} must be whsec_ and 24 to 64 bytes in base64 (make one with: echo whsec_$(openssl rand -base64 32))`,
    );
  }
  return key;
}

/**
 * The headers of Standard Webhooks. There are two signatures, and verifiers accept either: one of the
 * lines, for receivers whose framework unpacks the body before they see it, and one of the bytes as sent.
 */
export async function signWebhook(
  key: Buffer,
  { idempotencyKey, body }: Upload,
  { nowMs, signal }: { nowMs: number; signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  const timestamp = Math.floor(nowMs / 1_000);
  const start = `${idempotencyKey}.${timestamp}.`;
  const ofLines = createHmac('sha256', key).update(start);
  const ofBytes = createHmac('sha256', key).update(start);
  for (const piece of body) ofBytes.update(piece);
  await pipeline(
    Readable.from(body, { objectMode: false }),
    createGunzip({ chunkSize: CHUNK_BYTES }),
    async (lines: AsyncIterable<Buffer>) => {
      for await (const chunk of lines) ofLines.update(chunk);
    },
    { signal },
  );
  return new Map([
    ['webhook-id', idempotencyKey],
    ['webhook-timestamp', String(timestamp)],
    ['webhook-signature', `v1,${ofLines.digest('base64')} v1,${ofBytes.digest('base64')}`],
  ]);
}
