import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';

/**
 * What a scripted server does to one request instead of answering it properly. `store` says whether the
 * request takes effect all the same, as when only the answer is lost.
 */
export interface HttpFault {
  readonly store?: boolean;
  /** Answers without having read the body. */
  readonly early?: boolean;
  /** Waits before anything else is done. */
  readonly delayMs?: number;
  readonly then:
    | {
        readonly kind: 'answer';
        readonly status: number;
        readonly headers?: Readonly<Record<string, string>>;
        readonly body?: string | Buffer;
      }
    /** Resets the connection: before the body is read, or after all of it was. */
    | { readonly kind: 'reset'; readonly when: 'before_body' | 'after_body' }
    /** A status line and headers of success, then half of a body, then a reset. */
    | { readonly kind: 'cut_answer'; readonly headers?: Readonly<Record<string, string>> }
    /** Reads everything and never answers. */
    | { readonly kind: 'silence' }
    /** Proceeds as usual, after `delayMs`. */
    | { readonly kind: 'proceed' };
}

/** Faults for the next requests, in order; requests beyond them are answered properly. */
export class FaultScript {
  readonly #next: HttpFault[] = [];
  #always: HttpFault | undefined;
  #taken = 0;

  /** The next requests meet these faults, one each. */
  push(...faults: readonly HttpFault[]): void {
    this.#next.push(...faults);
  }

  /** Every request meets this fault, until it is called with undefined. */
  always(fault: HttpFault | undefined): void {
    this.#always = fault;
  }

  clear(): void {
    this.#next.length = 0;
    this.#always = undefined;
  }

  take(): HttpFault | undefined {
    const fault = this.#next.shift() ?? this.#always;
    if (fault !== undefined) this.#taken++;
    return fault;
  }

  /** How many requests met a fault. */
  get taken(): number {
    return this.#taken;
  }
}

/** Plays the beginning of a fault. @returns false when it was all of it */
export async function playBeforeBody(
  fault: HttpFault | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (fault?.delayMs !== undefined) await delay(fault.delayMs);
  if (fault?.then.kind === 'reset' && fault.then.when === 'before_body') {
    reset(request.socket);
    return false;
  }
  if (fault?.early === true) {
    playAnswer(fault, response);
    return false;
  }
  return true;
}

/** Plays the end of a fault, in place of the regular answer. */
export function playAnswer(fault: HttpFault, response: ServerResponse): void {
  const { then } = fault;
  if (then.kind === 'answer') {
    response.writeHead(then.status, then.headers).end(then.body);
  } else if (then.kind === 'reset') {
    if (response.socket !== null) reset(response.socket);
  } else if (then.kind === 'cut_answer') {
    response.writeHead(200, { 'content-length': '100', ...then.headers });
    response.write('half of it', () => {
      if (response.socket !== null) reset(response.socket);
    });
  }
}

function reset(socket: Socket): void {
  // A TLS socket cannot send a reset; cutting it without a goodbye comes closest.
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
