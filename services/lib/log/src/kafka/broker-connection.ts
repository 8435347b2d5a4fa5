import { LogUnavailableError, messageOf } from '@trailpush/core';
import { Broker, ConnectionPool, createSocketFactory } from './kafkajs-internals.ts';
import type { createLogger } from './kafkajs-internals.ts';
import { saslOptions } from './options.ts';
import type { KafkaAddress } from './options.ts';
import type { ApiRequest } from './requests.ts';
import { WireReader } from './wire.ts';

/**
 * A broker answers the requests of one connection in order, so that each kind that may wait has a
 * connection of its own: fetches wait for records, produces for replicas, groups for other members.
 */
export type Purpose = 'control' | 'fetch' | 'produce' | 'group' | 'join';

/** One connection to a broker. */
export interface Connection {
  /** `host:port`. */
  readonly address: string;
  /** @throws LogUnavailableError when no answer came, or none that could be read */
  send<T>(request: ApiRequest<T>): Promise<T>;
}

const connectTimeoutMs = 5_000;
const answerTimeoutMs: Readonly<Record<Purpose, number>> = {
  control: 10_000,
  // Time for the largest answer over a slow line.
  fetch: 30_000,
  produce: 15_000,
  group: 10_000,
  // Answered when the last member has joined: longer than the rebalance timeout of `membership.ts`.
  join: 45_000,
};

/** Of the versions in `requests.ts` this one came last to Kafka, with 2.3. */
const newestRequest = { apiKey: 1, apiVersion: 11 } as const;

/**
 * A connection that is thrown away at its first failure. kafkajs would use it again with half an answer
 * still in its buffer, and would keep one open whose peer has gone silent.
 */
export class BrokerConnection implements Connection {
  readonly address: string;
  readonly #pool: ConnectionPool;
  readonly #broker: Broker;
  #connecting: Promise<void> | undefined;
  #connected = false;
  #discarded = false;

  constructor(
    options: KafkaAddress,
    address: string,
    purpose: Purpose,
    logger: ReturnType<typeof createLogger>,
  ) {
    this.address = address;
    const colon = address.lastIndexOf(':');
    this.#pool = new ConnectionPool({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      ssl: options.ssl ? true : null,
      sasl: options.sasl === undefined ? null : saslOptions(options.sasl),
      clientId: options.clientId,
      socketFactory: createSocketFactory(),
      connectionTimeout: connectTimeoutMs,
      requestTimeout: answerTimeoutMs[purpose],
      logger,
    });
    this.#broker = new Broker({ connectionPool: this.#pool, logger });
  }

  get usable(): boolean {
    return !this.#discarded && (!this.#connected || this.#pool.pool[0].isConnected());
  }

  /** @throws LogUnavailableError */
  async connect(): Promise<void> {
    this.#connecting ??= this.#connect();
    await this.#connecting;
  }

  async send<T>(api: ApiRequest<T>): Promise<T> {
    const { apiKey, apiVersion, apiName, body } = api;
    try {
      const answer = await this.#pool.pool[0].send({
        request: { apiKey, apiVersion, apiName, encode: async () => ({ buf: body, buffer: body }) },
        response: {
          decode: async (payload) => {
            const { throttleMs, result } = api.decode(new WireReader(payload));
            return { clientSideThrottleTime: throttleMs, result };
          },
          parse: async (decoded) => (decoded as { result: T }).result,
        },
        logResponseError: false,
      });
      return answer as T;
    } catch (error) {
      const problem = messageOf(error);
      this.discard(problem);
      throw new LogUnavailableError(
        `Kafka broker ${this.address} failed at ${apiName}: ${problem}`,
        {
          cause: error,
        },
      );
    }
  }

  /** Ends the connection; requests that wait for an answer fail with `reason`. */
  discard(reason: string): void {
    if (this.#discarded) return;
    this.#discarded = true;
    for (const connection of this.#pool.pool) connection.rejectRequests(new Error(reason));
    // It only ends sockets; there is nothing to do about one that does not want to.
    this.#pool.destroy().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    try {
      await this.#broker.connect();
      this.#checkVersions();
      if (this.#discarded) throw new Error('the connection was closed');
      this.#connected = true;
    } catch (error) {
      const problem = messageOf(error);
      this.discard(problem);
      throw new LogUnavailableError(`Kafka broker ${this.address} cannot be used: ${problem}`, {
        cause: error,
      });
    }
  }

  #checkVersions(): void {
    const { apiKey, apiVersion } = newestRequest;
    if ((this.#broker.versions[apiKey]?.maxVersion ?? 0) >= apiVersion) return;
    throw new Error('it is older than Kafka 2.3: upgrade it');
  }
}
