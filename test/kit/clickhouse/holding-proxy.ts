import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** What becomes of an insertion of events. */
export type Fate = 'pass' | 'lose the answer' | 'hold';

/** Stands before a ClickHouse, and loses or holds what is inserted into the table of events. */
export class HoldingProxy {
  readonly url: string;
  fate: Fate = 'pass';
  readonly #target: URL;
  readonly #server: ReturnType<typeof createServer>;
  #held: (() => Promise<unknown>)[] = [];

  private constructor(target: URL, server: ReturnType<typeof createServer>) {
    this.#target = target;
    this.#server = server;
    const url = new URL(target);
    url.port = String((server.address() as AddressInfo).port);
    this.url = url.href;
    server.on('request', (...args) => void this.#serve(...args));
  }

  static async start(target: string): Promise<HoldingProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new HoldingProxy(new URL(target), server);
  }

  /** Insertions that wait. */
  get held(): number {
    return this.#held.length;
  }

  /** Lets the server have what was held, although nobody waits for the answer any more. */
  async release(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    for (const send of held) await send();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    const isEvents = (incoming.url ?? '').includes('INSERT+INTO+trailpush_events+');
    const fate = isEvents ? this.fate : 'pass';
    if (fate === 'hold') {
      response.destroy();
      this.#held.push(() => this.#forward(incoming, body));
      return;
    }
    const answer = await this.#forward(incoming, body);
    if (fate === 'lose the answer') response.destroy();
    else response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  async #forward({ method, url, headers }: IncomingMessage, body: Buffer) {
    const { hostname, port } = this.#target;
    const sent = request({ hostname, port, method, path: url, headers });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const status = answer.statusCode ?? 500;
    return { status, headers: answer.headers, body: await buffer(answer) };
  }
}
