import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

import { FaultScript, playAnswer, playBeforeBody } from './http-fault.ts';
import { readBody } from './read-body.ts';

/** One request that took effect. */
export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  /** As it came over the wire: gzip. */
  readonly body: Buffer;
  readonly receivedAtMs: number;
}

export interface HttpReceiverOptions {
  readonly port?: number;
  /** Serves HTTPS with these. */
  readonly tls?: ServerOptions;
  /** What a proper request is answered, 200 and nothing else if not given. Only 2xx takes effect. */
  readonly answer?: (request: ReceivedRequest) => ReceiverAnswer;
}

export interface ReceiverAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A receiver of POSTs that keeps what it was sent and answers 200. `faults` makes it misbehave. */
export class HttpReceiver {
  readonly received: ReceivedRequest[] = [];
  readonly faults = new FaultScript();
  readonly #server: Server;
  readonly #scheme: 'http' | 'https';

  private constructor(options: HttpReceiverOptions) {
    const { tls } = options;
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createHttpServer() : createHttpsServer(tls);
  }

  static async start(options: HttpReceiverOptions = {}): Promise<HttpReceiver> {
    const receiver = new HttpReceiver(options);
    const server = receiver.#server;
    server.on('request', (request, response) => {
      const fault = receiver.faults.take();
      const serve = async (): Promise<void> => {
        if (!(await playBeforeBody(fault, request, response))) return;
        const body = await readBody(request);
        const proceeds = fault === undefined || fault.then.kind === 'proceed';
        const { method = '', url = '', headers } = request;
        const received = { method, url, headers, body, receivedAtMs: Date.now() };
        const answer = options.answer?.(received) ?? { status: 200 };
        const isGood = answer.status >= 200 && answer.status < 300;
        if (isGood && (proceeds || fault.store === true)) receiver.received.push(received);
        if (proceeds) response.writeHead(answer.status, answer.headers).end(answer.body);
        else playAnswer(fault, response);
      };
      serve().catch(() => request.socket.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** The lines of all requests that took effect, unpacked, in order of arrival. */
  lines(): string[] {
    return this.received.flatMap(({ body }) =>
      gunzipSync(body)
        .toString()
        .split('\n')
        .filter((line) => line !== ''),
    );
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}
