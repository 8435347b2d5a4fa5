import { once } from 'node:events';
import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { request as httpsRequest } from 'node:https';

import packageJson from '../package.json' with { type: 'json' };
import { type ConnectionLimits, createGuardedAgent } from './address-guard.ts';
import type { DestinationDeps } from './kind.ts';
import type { NetworkTarget } from './policy.ts';
import { TransportError } from './transport-error.ts';

/** Far more than a message needs; what a receiver says beyond it is not read. */
const MAX_ANSWER_BYTES = 64 * 1024;

export interface HttpRequest {
  readonly method: 'POST' | 'PUT';
  readonly url: URL;
  readonly headers: ReadonlyMap<string, string | number>;
  /** In pieces, which are sent as they are; `Content-Length` is among the headers. */
  readonly body: readonly Uint8Array[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The first 64 KiB; empty when it came compressed, since nothing that a receiver says is unpacked. */
  readonly text: string;
  /** False when the receiver answered before it had the whole body. */
  readonly bodySent: boolean;
}

/** Sends requests to one target, through an agent of its own. */
export interface HttpExchange {
  /** Throws transport errors as they come, also when the answer ends before it is complete. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  close(): void;
}

export function openHttpExchange(
  target: NetworkTarget,
  limits: ConnectionLimits,
  deps: DestinationDeps,
): HttpExchange {
  const agent = createGuardedAgent(target, limits, deps.logger);
  const start = target.url.protocol === 'https:' ? httpsRequest : httpRequest;
  return {
    async send({ method, url, headers, body }, signal) {
      const request = start(url, { method, agent, signal });
      request.setHeader('User-Agent', `Trailpush/${packageJson.version}`);
      for (const [name, value] of headers) request.setHeader(name, value);
      return exchange(request, body);
    },
    close() {
      agent.destroy();
    },
  };
}

async function exchange(request: ClientRequest, body: readonly Uint8Array[]): Promise<HttpAnswer> {
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  // Of a server that asks for another protocol instead of answering, nothing else is heard.
  const closed = once(request, 'close').then(() => {
    throw new TransportError('closed', 'the connection ended without an answer');
  });
  try {
    const sent = sendBody(request, body);
    // A receiver may refuse before it has read everything; its answer then counts, not our broken pipe.
    sent.catch(() => undefined);
    const [response] = await Promise.race([answered, closed]);
    const bytes = await readAnswer(response);
    const isPlain = (response.headers['content-encoding'] ?? 'identity') === 'identity';
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: isPlain ? bytes.toString() : '',
      bodySent: request.writableFinished,
    };
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
