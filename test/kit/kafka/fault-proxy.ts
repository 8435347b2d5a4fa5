import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** Numbers of Kafka's APIs, for `loseAnswersTo`. */
export const apiKey = { produce: 0, fetch: 1 } as const;

/** A TCP proxy before one broker on loopback that can be told to misbehave. */
export interface FaultProxy {
  readonly port: number;
  /** While set, the broker gets the requests of this API, but its answer is lost with the connection. */
  loseAnswersTo: number | undefined;
  /** How many answers were lost. */
  readonly lost: number;
  /** While true, nothing passes in either direction, and nobody is told. */
  silent: boolean;
  stop(): Promise<void>;
}

export async function startFaultProxy(brokerPort: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const state = { loseAnswersTo: undefined as number | undefined, lost: 0, silent: false };
  const server = createServer((client) => {
    const broker = connect(brokerPort, '127.0.0.1');
    const frames = new FrameTracker();
    for (const [socket, other] of [[client, broker] as const, [broker, client] as const]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      frames.see(chunk);
      if (!state.silent) broker.write(chunk);
    });
    broker.on('data', (chunk: Buffer) => {
      if (state.loseAnswersTo !== undefined && frames.lastApiKey === state.loseAnswersTo) {
        state.lost += 1;
        client.destroy();
        broker.destroy();
      } else if (!state.silent) {
        client.write(chunk);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(state, {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  });
}

/** Follows the requests of one connection: length int32, API key int16, and the rest. */
class FrameTracker {
  lastApiKey = -1;
  #head = Buffer.alloc(0);
  #skip = 0;

  see(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      const skipped = Math.min(this.#skip, rest.length);
      this.#skip -= skipped;
      this.#head = Buffer.concat([this.#head, rest.subarray(skipped)]);
      rest = Buffer.alloc(0);
      if (this.#head.length >= 6) {
        this.lastApiKey = this.#head.readInt16BE(4);
        this.#skip = 4 + this.#head.readInt32BE(0);
        rest = this.#head;
        this.#head = Buffer.alloc(0);
      }
    }
  }
}
