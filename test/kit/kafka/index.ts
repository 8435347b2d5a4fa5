/**
 * A real Apache Kafka for tests and benchmarks: KAFKA_BROKERS, else Docker, else Java 17+ with Maven.
 * `node test/kit/kafka/main.ts` starts one from the command line.
 */
import { checkBrokersReady } from './ready.ts';
import { startDockerKafka } from './docker.ts';
import { startJavaKafka } from './java.ts';

export interface TestKafka {
  /** `host:port` of each broker. */
  readonly brokers: string[];
  /** What answers there, for the report of a run: `Apache Kafka 4.1.1 (Java)`. */
  readonly description: string;
  /** SIGKILL. The broker stays down, with its data, until `restart`. */
  kill(): Promise<void>;
  /** Starts the broker again on the same port and data, after stopping it in order if it still runs. */
  restart(): Promise<void>;
  /** Ends the broker and deletes its data. Does nothing to the brokers of KAFKA_BROKERS. */
  stop(): Promise<void>;
}

export type StartedKafka =
  | { readonly kafka: TestKafka; readonly reason?: undefined }
  /** None could be had; `reason` says why, in one line. */
  | { readonly kafka?: undefined; readonly reason: string };

export interface StartKafkaOptions {
  /** A broker of one's own, for tests that kill it: KAFKA_BROKERS is left alone. */
  readonly disposable?: boolean;
  /** Is told the port of the broker and returns the port to tell clients: that of a proxy before it. */
  readonly advertise?: (brokerPort: number) => Promise<number>;
  /** A second listener with TLS and SASL. Java only. */
  readonly secure?: SecureListener;
}

export interface SecureListener {
  readonly port: number;
  /** PEM. */
  readonly certificate: { readonly cert: string; readonly key: string };
  readonly username: string;
  /** By PLAIN and SCRAM-SHA-512. */
  readonly password: string;
}

/** Tells what a slow start is doing. On stderr, because stdout belongs to the caller. */
export type Progress = (line: string) => void;

/**
 * Starts Kafka, or says why none can be had.
 * @throws Error when none can be had and `CI=true`, or when one was found but does not come up.
 */
export async function startKafka(options: StartKafkaOptions = {}): Promise<StartedKafka> {
  const progress: Progress = (line) => process.stderr.write(`kafka: ${line}\n`);
  const given = process.env['KAFKA_BROKERS'];
  if (given !== undefined && given !== '' && options.disposable !== true) {
    return { kafka: await useGivenBrokers(given.split(',').map((broker) => broker.trim())) };
  }
  const reasons: string[] = [];
  for (const start of [startDockerKafka, startJavaKafka]) {
    const started = await start(options, progress);
    if (started.kafka !== undefined) {
      return started;
    }
    reasons.push(started.reason);
  }
  const reason = `no Kafka: ${reasons.join('; ')}. Set KAFKA_BROKERS, or install Docker, or Java 17 and Maven`;
  if (process.env['CI'] === 'true') {
    throw new Error(reason);
  }
  return { reason };
}

async function useGivenBrokers(brokers: string[]): Promise<TestKafka> {
  await checkBrokersReady(brokers, 10_000);
  const refuse = async (): Promise<void> => {
    throw new Error('the brokers of KAFKA_BROKERS are not ours to stop: ask for a disposable one');
  };
  return {
    brokers,
    description: `KAFKA_BROKERS ${brokers.join(',')}`,
    kill: refuse,
    restart: refuse,
    stop: async () => undefined,
  };
}
