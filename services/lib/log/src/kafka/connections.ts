import { LogClosedError, LogUnavailableError, messageOf } from '@trailpush/core';
import type { Logger } from '@trailpush/core';
import { BrokerConnection } from './broker-connection.ts';
import type { Connection, Purpose } from './broker-connection.ts';
import { createLogger } from './kafkajs-internals.ts';
import { kafkajsLogCreator, kafkajsLogLevel } from './kafkajs-logger.ts';
import type { KafkaAddress } from './options.ts';
import type { TopicMetadata } from './requests.ts';

/** The connections to the brokers of a cluster, opened when they are first needed. */
export class Connections {
  readonly #options: KafkaAddress;
  readonly #kafkajsLogger: ReturnType<typeof createLogger>;
  readonly #open = new Map<string, BrokerConnection>();
  #nodes: ReadonlyMap<number, string> = new Map();
  #closed = false;

  constructor(options: KafkaAddress, logger: Logger) {
    this.#options = options;
    this.#kafkajsLogger = createLogger({
      level: kafkajsLogLevel,
      logCreator: kafkajsLogCreator(logger),
    });
  }

  /** Takes over the brokers that the cluster has now. */
  setNodes(nodes: TopicMetadata['nodes']): void {
    this.#nodes = new Map(nodes.map(({ nodeId, host, port }) => [nodeId, `${host}:${port}`]));
  }

  /** Some broker, for what every broker can answer. @throws LogUnavailableError when none answers */
  async any(): Promise<Connection> {
    const known = [...this.#nodes.values()].sort(() => Math.random() - 0.5);
    const open = known.filter((address) => this.#open.get(`control ${address}`)?.usable);
    const failures: string[] = [];
    for (const address of new Set([...open, ...known, ...this.#options.brokers])) {
      try {
        return await this.to(address, 'control');
      } catch (error) {
        if (error instanceof LogClosedError) throw error;
        failures.push(messageOf(error));
      }
    }
    throw new LogUnavailableError(`no Kafka broker answers: ${failures.join('; ')}`);
  }

  /** @throws LogUnavailableError when the broker is not known or does not answer */
  async toNode(nodeId: number, purpose: Purpose): Promise<Connection> {
    const address = this.#nodes.get(nodeId);
    if (address === undefined) throw new LogUnavailableError(`Kafka broker ${nodeId} is not known`);
    return this.to(address, purpose);
  }

  /** @throws LogUnavailableError when nothing answers there */
  async to(address: string, purpose: Purpose): Promise<Connection> {
    if (this.#closed) throw new LogClosedError('the log is closed');
    const key = `${purpose} ${address}`;
    let connection = this.#open.get(key);
    if (connection?.usable !== true) {
      connection = new BrokerConnection(this.#options, address, purpose, this.#kafkajsLogger);
      this.#open.set(key, connection);
    }
    await connection.connect();
    return connection;
  }

  /** Ends all connections; requests that wait for an answer fail. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#open.values()) connection.discard('the log is closed');
    this.#open.clear();
  }
}
