import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

import packageJson from '../package.json' with { type: 'json' };
import { type ConnectionLimits, createGuardedAgent } from './address-guard.ts';
import type { DestinationDeps, Outcome, Upload, Uploader } from './kind.ts';
import type { NetworkTarget } from './policy.ts';
import { httpVerdict, parseRetryAfter } from './verdict.ts';

/** As Logpush documents them: 5 s to connect, 5 s for TLS, 10 s without progress, 2 min for all of it. */
const LIMITS: ConnectionLimits = { connectMs: 5_000, tlsMs: 5_000, silenceMs: 10_000 };
const DEADLINE_MS = 120_000;
/** Far more than a message needs; what a receiver says beyond it is not read. */
const MAX_ANSWER_BYTES = 64 * 1024;

export interface HttpPostOptions {
  readonly target: NetworkTarget;
  /** Headers of the conf; they win over the defaults. */
  readonly headers: ReadonlyMap<string, string>;
}

/** An uploader that sends each object as the body of one POST. */
export function openHttpPost(options: HttpPostOptions, deps: DestinationDeps): Uploader {
  const { target, headers } = options;
  const agent = createGuardedAgent(target, LIMITS, deps.logger);
  const start = target.url.protocol === 'https:' ? httpsRequest : httpRequest;
  return {
    deadlineMs: DEADLINE_MS,
    async upload(object, signal) {
      const request = start(target.url, { method: 'POST', agent, signal });
      setHeaders(request, object, headers);
      const answer = await exchange(request, object.body);
      return judge(answer, deps.clock.now());
    },
    async close() {
      agent.destroy();
    },
  };
}

function setHeaders(
  request: ClientRequest,
  object: Upload,
  chosen: ReadonlyMap<string, string>,
): void {
  const { metadata } = object;
  request.setHeader('User-Agent', `Trailpush/${packageJson.version}`);
  request.setHeader('Content-Type', object.contentType);
  for (const [name, value] of chosen) request.setHeader(name, value);
  request.setHeader('Content-Encoding', 'gzip');
  request.setHeader('Content-Length', object.bodyBytes);
  // A string of RFC 8941, as the IETF draft wants it.
  request.setHeader('Idempotency-Key', `"${object.idempotencyKey}"`);
  if (metadata === undefined) return;
  request.setHeader('Trailpush-Job-Id', metadata.jobId);
  request.setHeader('Trailpush-Partition', metadata.partition);
  request.setHeader('Trailpush-First-Offset', metadata.firstOffset);
  request.setHeader('Trailpush-Last-Offset', metadata.lastOffset);
  request.setHeader('Trailpush-Records', metadata.records);
}

interface Answer {
  readonly response: IncomingMessage;
  readonly body: Buffer;
  /** False when the receiver answered before it had the whole body. */
  readonly bodySent: boolean;
}

async function exchange(request: ClientRequest, body: readonly Uint8Array[]): Promise<Answer> {
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  try {
    const sent = sendBody(request, body);
    // A receiver may refuse before it has read everything; its answer then counts, not our broken pipe.
    sent.catch(() => undefined);
    const [response] = await answered;
    const answer = await readAnswer(response);
    return { response, body: answer, bodySent: request.writableFinished };
  } finally {
    if (!request.writableFinished) request.destroy();
  }
}

async function sendBody(request: ClientRequest, body: readonly Uint8Array[]): Promise<void> {
  for (const piece of body) {
    if (!request.write(piece)) await once(request, 'drain');
  }
  request.end();
}

/** The first bytes of an answer. @throws when it ends before it is complete */
async function readAnswer(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop destroys the response, and its connection with it.
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks, bytes);
}

function judge({ response, body, bodySent }: Answer, nowMs: number): Outcome {
  const status = response.statusCode ?? 0;
  const verdict = httpVerdict(status, parseRetryAfter(response.headers['retry-after'], nowMs));
  if (verdict.kind === 'delivered') {
    if (bodySent) return { kind: 'delivered', status };
    const hint = 'it answered before the whole object was sent';
    return { kind: 'failed', verdict: { kind: 'retry' }, status, hint };
  }
  // An answer in gzip stays closed: nothing that a receiver says is decompressed.
  const isPlain = (response.headers['content-encoding'] ?? 'identity') === 'identity';
  const hint =
    STATUS_HINTS.get(status) ?? (status >= 300 && status < 400 ? REDIRECT_HINT : undefined);
  return {
    kind: 'failed',
    verdict,
    status,
    ...(isPlain ? { answer: body.toString() } : {}),
    ...(hint === undefined ? {} : { hint }),
  };
}

const REDIRECT_HINT = 'redirects are not followed: set the final address';
const STATUS_HINTS: ReadonlyMap<number, string> = new Map([
  [207, 'it took a part of the object only'],
]);
