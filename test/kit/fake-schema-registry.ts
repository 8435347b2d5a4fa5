import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { readBody } from './read-body.ts';

interface Registered {
  readonly schema: string;
  readonly schemaType?: string;
}

/** What a registry answers once instead of its own answer. `hang` answers nothing at all. */
export type RegistryFault = { readonly status: number; readonly body: string } | 'reset' | 'hang';

/** A schema registry over HTTP that keeps its schemas in memory, with the answers of Confluent's. */
export class FakeSchemaRegistry {
  /** One for each request to come, in order. */
  readonly faults: RegistryFault[] = [];
  /** Method, path and authorization of every request so far. */
  readonly requests: { readonly line: string; readonly authorization: string | undefined }[] = [];
  readonly subjects = new Map<string, number>();
  readonly #schemas = new Map<number, Registered>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => request.socket.destroy());
    });
  }

  static async start(): Promise<FakeSchemaRegistry> {
    const registry = new FakeSchemaRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  put(id: number, schema: object | string, schemaType?: string): void {
    const text = JSON.stringify(schema);
    this.#schemas.set(
      id,
      schemaType === undefined ? { schema: text } : { schema: text, schemaType },
    );
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const body = await readBody(request);
    this.requests.push({ line: `${method} ${url}`, authorization: headers.authorization });
    const fault = this.faults.shift();
    if (fault === 'hang') return;
    if (fault === 'reset') request.socket.destroy();
    else if (fault) response.writeHead(fault.status).end(fault.body);
    else this.#answer(response, `${method} ${url}`, body);
  }

  #answer(response: ServerResponse, line: string, body: Buffer): void {
    const id = /^GET \/schemas\/ids\/(\d+)$/.exec(line)?.[1];
    const subject = /^POST \/subjects\/([^/]+)\/versions$/.exec(line)?.[1];
    const found = id === undefined ? undefined : this.#schemas.get(Number(id));
    if (found) {
      response.end(JSON.stringify(found));
    } else if (id !== undefined) {
      response.writeHead(404).end(JSON.stringify(notFound(40403, `Schema ${id} not found`)));
    } else if (subject !== undefined) {
      const { schema } = JSON.parse(body.toString()) as Registered;
      const known = [...this.#schemas].find(([, registered]) => registered.schema === schema);
      const newId = known?.[0] ?? this.#schemas.size + 1;
      this.#schemas.set(newId, { schema });
      this.subjects.set(decodeURIComponent(subject), newId);
      response.end(JSON.stringify({ id: newId }));
    } else {
      response.writeHead(404).end(JSON.stringify(notFound(404, 'HTTP 404 Not Found')));
    }
  }
}

function notFound(code: number, message: string): object {
  return { error_code: code, message };
}
