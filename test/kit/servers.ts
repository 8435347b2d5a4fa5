/** The real servers that can be had, started once for a whole run. */
import { startClickhouse } from './clickhouse.ts';
import { startKafka } from './kafka/index.ts';
import { startPostgres } from './postgres.ts';
import { startS3 } from './s3/index.ts';

/** A server for the whole run, or why there is none. */
export type Server = { readonly name: string } & (
  | { readonly unavailable: string }
  | {
      /** What answers there. */
      readonly description: string;
      /** By which tests find it. */
      readonly environment: Readonly<Record<string, string>>;
      stop(): Promise<void>;
    }
);

async function kafka(): Promise<Server> {
  const { kafka: broker, reason } = await startKafka();
  const name = 'Kafka';
  if (!broker) return { name, unavailable: reason };
  const environment = { KAFKA_BROKERS: broker.brokers.join(',') };
  return { name, description: broker.description, environment, stop: () => broker.stop() };
}

async function postgres(): Promise<Server> {
  const started = await startPostgres();
  const name = 'PostgreSQL';
  if ('unavailable' in started) return { name, ...started };
  const environment = { TEST_DATABASE_URL: started.url };
  return { name, description: started.description, environment, stop: () => started.stop() };
}

async function s3(): Promise<Server> {
  const started = await startS3();
  const name = 'S3';
  if ('unavailable' in started) return { name, ...started };
  const environment = {
    TEST_S3_ENDPOINT: started.endpoint,
    TEST_S3_REGION: started.region,
    TEST_S3_ACCESS_KEY_ID: started.accessKeyId,
    TEST_S3_SECRET_ACCESS_KEY: started.secretAccessKey,
  };
  return { name, description: started.description, environment, stop: () => started.stop() };
}

async function clickhouse(): Promise<Server> {
  const started = await startClickhouse();
  const name = 'ClickHouse';
  if ('unavailable' in started) return { name, ...started };
  const environment = { TEST_CLICKHOUSE_URL: started.url };
  return { name, description: started.description, environment, stop: () => started.stop() };
}

/** Runs `work` with every server that can be had, and ends them afterwards, whatever comes of it. */
export async function withServers(
  work: (servers: readonly Server[], environment: Record<string, string>) => Promise<void>,
): Promise<void> {
  const servers: Server[] = [];
  try {
    for (const start of [kafka, postgres, s3, clickhouse]) servers.push(await start());
    const environment: Record<string, string> = {};
    for (const server of servers) {
      if (!('unavailable' in server)) Object.assign(environment, server.environment);
    }
    await work(servers, environment);
  } finally {
    await Promise.all(
      servers.map(async (server) => ('unavailable' in server ? undefined : server.stop())),
    );
  }
}
