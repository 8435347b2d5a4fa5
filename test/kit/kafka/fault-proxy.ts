import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { putErrorCode, type SpokenApi } from './answers.ts';

/** Numbers of Kafka's APIs, for `loseAnswersTo`. */
export const apiKey = { produce: 0, fetch: 1 } as const;

/** A TCP proxy before one broker on loopback that can be told to misbehave. */
export interface FaultProxy {
  readonly port: number;
  /** While set, the broker gets the requests of this API, but its answer is lost with the connection. */
  loseAnswersTo: number | undefined;
  /** How many answers were lost. */
  readonly lost: number;
  /** While any are left, the broker does what an API asks for, and its answers have an error code. */
  refusals: Refusal[];
  /** While true, nothing passes in either direction, and nobody is told. */
  silent: boolean;
  stop(): Promise<void>;
}

export interface Refusal {
  readonly api: SpokenApi;
  readonly errorCode: number;
  /** How many answers are still to have it. */
  left: number;
}

export async function startFaultProxy(brokerPort: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const state = {
    loseAnswersTo: undefined as number | undefined,
    lost: 0,
    silent: false,
    refusals: [] as Refusal[],
  };
  const server = createServer((client) => {
    const broker = connect(brokerPort, '127.0.0.1');
    const asked = new Map<number, { apiKey: number; version: number }>();
    let lastApiKey = -1;
    const requests = new Frames((frame) => {
      lastApiKey = frame.readInt16BE(0);
      asked.set(frame.readInt32BE(4), { apiKey: lastApiKey, version: frame.readInt16BE(2) });
    });
    const answers = new Frames((frame) => {
      const correlationId = frame.readInt32BE(0);
      const request = asked.get(correlationId);
      asked.delete(correlationId);
      const refusal = state.refusals.find(
        ({ api, left }) =>
          left > 0 && api.apiKey === request?.apiKey && api.version === request.version,
      );
      if (!refusal) return;
      if (putErrorCode(refusal.api, frame.subarray(4), refusal.errorCode)) refusal.left -= 1;
    });
    for (const [socket, other] of [[client, broker] as const, [broker, client] as const]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      requests.take(chunk);
      if (!state.silent) broker.write(chunk);
    });
    broker.on('data', (chunk: Buffer) => {
      if (state.loseAnswersTo !== undefined && lastApiKey === state.loseAnswersTo) {
        state.lost += 1;
        client.destroy();
        broker.destroy();
      } else {
        const passed = answers.take(chunk);
        if (!state.silent) client.write(passed);
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

/** Cuts one direction of a connection into frames: length int32, and so many bytes. */
class Frames {
  readonly #see: (frame: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `see` may change the bytes of a frame. */
  constructor(see: (frame: Buffer) => void) {
    this.#see = see;
  }

  /** The frames that are complete by now, lengths included. */
  take(chunk: Buffer): Buffer {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const end = bytes.length - at < 4 ? Infinity : at + 4 + bytes.readInt32BE(at);
      if (end > bytes.length) break;
      this.#see(bytes.subarray(at + 4, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return bytes.subarray(0, at);
  }
}
