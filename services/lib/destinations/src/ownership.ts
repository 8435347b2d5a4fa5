import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';

import type { AttemptResult, Clock } from '@trailpush/core';

import { splitConf } from './conf.ts';
import type { DestinationDeps, OpenableDestination } from './kind.ts';
import { objectKey } from './object-key.ts';
import { putOnce } from './open-destination.ts';

const FILE_NAME = 'ownership-challenge.txt';

/**
 * True for the kinds of which Logpush wants a proof that the customer can read there: S3 without keys, Google,
 * Azure and Sumo Logic (developers.cloudflare.com, "Manage ownership challenge").
 * @throws InvalidDestinationError
 */
export function demandsOwnership(text: string): boolean {
  const { scheme, params } = splitConf(text);
  if (scheme === 's3') return !params.some(({ name }) => name === 'access-key-id');
  return scheme === 'gs' || scheme === 'azure' || scheme === 'sumo';
}

/** Where a challenge lies, for the person who is to read it: bucket first, as Logpush shows it. */
export function challengeFilename(parsed: OpenableDestination, nowMs: number): string {
  const key = objectKey(parsed.pathTemplate, nowMs, FILE_NAME);
  const bucket = /^(?:s3|r2|gs|azure):\/\/.*?([^/]+)$/.exec(parsed.location)?.[1];
  return bucket === undefined ? key : `${bucket}/${key}`;
}

/** Writes a token beside the objects of a destination, as plain text; receivers get it in gzip, as always. */
export function putChallenge(
  parsed: OpenableDestination,
  token: string,
  deps: DestinationDeps & { readonly clock: Clock },
  signal: AbortSignal,
): Promise<AttemptResult> {
  const text = Buffer.from(`${token}\n`);
  const body = parsed.exactlyOnce ? text : gzipSync(text);
  const object = {
    key: objectKey(parsed.pathTemplate, deps.clock.now(), FILE_NAME),
    idempotencyKey: `ownership-${randomUUID()}`,
    body: [body],
    bodyBytes: body.length,
    contentType: 'text/plain',
    metadata: undefined,
    ...(parsed.exactlyOnce ? { isPlain: true as const } : {}),
  };
  return putOnce(parsed, object, deps, signal);
}
