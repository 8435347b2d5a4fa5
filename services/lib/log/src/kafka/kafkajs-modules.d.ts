/**
 * The parts of kafkajs 2.2.4 that `kafkajs-internals.ts` reaches into, typed as far as we use them, and a
 * package that comes without types.
 * kafkajs is pinned to that version, the last one, so that these paths do not move.
 */

declare module 'kafkajs/src/network/connectionPool.js' {
  import type { RequestLogger } from 'kafkajs/src/loggers/index.js';

  export interface WireRequest {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly apiName: string;
      /** `buf` tells kafkajs that this is an encoder, `buffer` is what it sends. */
      encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
    };
    readonly response: {
      decode(payload: Buffer): Promise<{ readonly clientSideThrottleTime: number }>;
      parse(decoded: object): Promise<unknown>;
    };
    readonly logResponseError: boolean;
  }

  export interface KafkajsConnection {
    isConnected(): boolean;
    send(request: WireRequest): Promise<unknown>;
    rejectRequests(error: Error): void;
  }

  class ConnectionPool {
    /** The second one is for kafkajs' own fetches; it is never connected here. */
    readonly pool: readonly [KafkajsConnection, KafkajsConnection];
    constructor(options: {
      host: string;
      port: number;
      ssl: true | null;
      sasl: object | null;
      clientId: string;
      socketFactory: unknown;
      connectionTimeout: number;
      requestTimeout: number;
      logger: RequestLogger;
    });
    destroy(): Promise<void>;
  }
  export default ConnectionPool;
}

declare module 'kafkajs/src/broker/index.js' {
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js';
  import type { RequestLogger } from 'kafkajs/src/loggers/index.js';

  class Broker {
    /** By API key, once connected. */
    readonly versions: Readonly<Record<number, { maxVersion: number }>>;
    constructor(options: { connectionPool: ConnectionPool; logger: RequestLogger });
    /** Connects, negotiates versions, authenticates. */
    connect(): Promise<void>;
  }
  export default Broker;
}

declare module 'kafkajs/src/network/socketFactory.js' {
  function createSocketFactory(): unknown;
  export default createSocketFactory;
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  class RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
  export default RequestQueue;
}

declare module 'kafkajs/src/loggers/index.js' {
  import type { logCreator } from 'kafkajs';

  export interface RequestLogger {
    namespace(name: string): RequestLogger;
  }
  const loggers: {
    readonly createLogger: (options: { level: number; logCreator: logCreator }) => RequestLogger;
  };
  export default loggers;
}

declare module 'kafkajs/src/protocol/error.js' {
  const errors: {
    readonly errorCodes: readonly {
      readonly type: string;
      readonly code: number;
      readonly retriable: boolean;
      readonly message: string;
    }[];
  };
  export default errors;
}
declare module 'kafkajs-snappy' {
  function createSnappyCodec(): {
    compress(encoder: { readonly buffer: Uint8Array }): Promise<Buffer>;
    decompress(bytes: Uint8Array): Promise<Uint8Array>;
  };
  export default createSnappyCodec;
}
