import { createHash } from 'node:crypto';

import type { ObjectMetadata, Verdict } from '@trailpush/core';

import type { ConnectionLimits } from './address-guard.ts';
import { type HttpAnswer, type HttpRequest, openHttpExchange } from './http-exchange.ts';
import type { DestinationDeps, Outcome, Upload, Uploader } from './kind.ts';
import type { NetworkTarget } from './policy.ts';
import { parseRetryAfter, storeVerdict } from './verdict.ts';

/** Stores may take their time to make an object durable before they answer. */
export const STORE_LIMITS: ConnectionLimits = {
  connectMs: 5_000,
  tlsMs: 5_000,
  silenceMs: 30_000,
};
export const STORE_DEADLINE_MS = 300_000;

/** How an object store is spoken to over plain HTTP: one request an object. */
export interface StoreProtocol {
  prepare(object: Upload, nowMs: number): PreparedPut;
  /** The store's own words for a failure, and what they mean where the status does not tell. */
  explain(answer: HttpAnswer): { readonly words: string; readonly verdict?: Verdict['kind'] };
}

export interface PreparedPut {
  readonly request: HttpRequest;
  /** True when the answer is positive evidence that the store holds this object. */
  confirms(answer: HttpAnswer): boolean;
}

/** An uploader that makes each object by one request, and believes nothing but evidence. */
export function openStorePut(
  target: NetworkTarget,
  protocol: StoreProtocol,
  deps: DestinationDeps,
): Uploader {
  const exchange = openHttpExchange(target, STORE_LIMITS, deps);
  return {
    deadlineMs: STORE_DEADLINE_MS,
    async upload(object, signal) {
      const put = protocol.prepare(object, deps.clock.now());
      const answer = await exchange.send(put.request, signal);
      if (answer.bodySent && put.confirms(answer)) {
        return { kind: 'delivered', status: answer.status };
      }
      return judgeFailure(answer, protocol, deps.clock.now());
    },
    async close() {
      exchange.close();
    },
  };
}

function judgeFailure(answer: HttpAnswer, protocol: StoreProtocol, nowMs: number): Outcome {
  const { status, headers } = answer;
  const { words, verdict } = protocol.explain(answer);
  const retryAfterMs = parseRetryAfter(headers['retry-after'], nowMs);
  const isSuccess = status >= 200 && status < 300;
  return {
    kind: 'failed',
    verdict: storeVerdict(status, verdict, retryAfterMs),
    status,
    answer: words,
    ...(isSuccess
      ? { hint: 'without proof that the object is stored: a proxy may have answered' }
      : {}),
  };
}

/** MD5 of a body in base64, by which stores notice damage before they keep an object. */
export function md5Of(object: Upload): string {
  const md5 = createHash('md5');
  for (const piece of object.body) md5.update(piece);
  return md5.digest('base64');
}

/** What an object says about itself, by the names that all stores allow. */
export function metadataOf(
  metadata: ObjectMetadata | undefined,
  separator: '-' | '_',
): Record<string, string> {
  if (metadata === undefined) return {};
  return {
    [`job${separator}id`]: String(metadata.jobId),
    ...(metadata.replayId === undefined
      ? {}
      : { [`replay${separator}id`]: String(metadata.replayId) }),
    topic: metadata.topic,
    partition: String(metadata.partition),
    [`first${separator}offset`]: String(metadata.firstOffset),
    [`last${separator}offset`]: String(metadata.lastOffset),
    records: String(metadata.records),
  };
}
