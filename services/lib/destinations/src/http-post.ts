import type { Verdict } from '@trailpush/core';

import type { ConnectionLimits } from './address-guard.ts';
import { type HttpAnswer, openHttpExchange } from './http-exchange.ts';
import type { DestinationDeps, Outcome, Upload, Uploader } from './kind.ts';
import type { NetworkTarget } from './policy.ts';
import { httpVerdict, parseRetryAfter } from './verdict.ts';
import { signWebhook } from './webhook-signature.ts';

/** As Logpush documents them: 5 s to connect, 5 s for TLS, 10 s without progress, 2 min for all of it. */
export const HTTP_LIMITS: ConnectionLimits = { connectMs: 5_000, tlsMs: 5_000, silenceMs: 10_000 };
export const HTTP_DEADLINE_MS = 120_000;

export interface HttpPostOptions {
  readonly target: NetworkTarget;
  /** Headers of the conf; they win over the defaults. */
  readonly headers: ReadonlyMap<string, string>;
  /** What the receiver calls our lines; the object's own media type when it has no name for them. */
  readonly contentType?: string | undefined;
  /** Key of Standard Webhooks signatures. */
  readonly signingKey?: Buffer | undefined;
  /** What the receiver's own words in a complete answer mean; undefined leaves it to the status. */
  readonly judgeWords?: (status: number, text: string) => Verdict | undefined;
}

/** An uploader that sends each object as the body of one POST. */
export function openHttpPost(options: HttpPostOptions, deps: DestinationDeps): Uploader {
  const exchange = openHttpExchange(options.target, HTTP_LIMITS, deps);
  return {
    deadlineMs: HTTP_DEADLINE_MS,
    async upload(object, signal) {
      const headers = headersOf(object, options);
      if (options.signingKey !== undefined) {
        const nowMs = deps.clock.now();
        const signed = await signWebhook(options.signingKey, object, { nowMs, signal });
        for (const [name, value] of signed) headers.set(name, value);
      }
      const { url } = options.target;
      const request = { method: 'POST', url, headers, body: object.body } as const;
      return judge(await exchange.send(request, signal), options, deps.clock.now());
    },
    async close() {
      exchange.close();
    },
  };
}

function headersOf(object: Upload, options: HttpPostOptions): Map<string, string | number> {
  const { metadata } = object;
  const headers = new Map<string, string | number>();
  headers.set('Content-Type', options.contentType ?? object.contentType);
  for (const [name, value] of options.headers) headers.set(name, value);
  headers.set('Content-Encoding', 'gzip');
  headers.set('Content-Length', object.bodyBytes);
  // A string of RFC 8941, as the IETF draft wants it.
  headers.set('Idempotency-Key', `"${object.idempotencyKey}"`);
  if (metadata === undefined) return headers;
  headers.set('Trailpush-Job-Id', metadata.jobId);
  if (metadata.replayId !== undefined) headers.set('Trailpush-Replay-Id', metadata.replayId);
  headers.set('Trailpush-Partition', metadata.partition);
  headers.set('Trailpush-First-Offset', metadata.firstOffset);
  headers.set('Trailpush-Last-Offset', metadata.lastOffset);
  headers.set('Trailpush-Records', metadata.records);
  return headers;
}

function judge(answer: HttpAnswer, options: HttpPostOptions, nowMs: number): Outcome {
  const { status, text, bodySent } = answer;
  const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], nowMs);
  const verdict = options.judgeWords?.(status, text) ?? httpVerdict(status, retryAfterMs);
  if (verdict.kind === 'delivered') {
    if (bodySent) return { kind: 'delivered', status };
    const hint = 'it answered before the whole object was sent';
    return { kind: 'failed', verdict: { kind: 'retry' }, status, hint };
  }
  const hint =
    STATUS_HINTS.get(status) ?? (status >= 300 && status < 400 ? REDIRECT_HINT : undefined);
  return {
    kind: 'failed',
    verdict,
    status,
    answer: text,
    ...(hint === undefined ? {} : { hint }),
  };
}

const REDIRECT_HINT = 'redirects are not followed: set the final address';
const STATUS_HINTS: ReadonlyMap<number, string> = new Map([
  [207, 'it took a part of the object only'],
]);
