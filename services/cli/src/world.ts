import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Clock,
  ConfigError,
  type Dataset,
  type Logger,
  messageOf,
  type RecordLog,
  Secret,
} from '@trailpush/core';
import {
  confluentEncoder,
  datasets,
  encodeEvent,
  EntryReader,
  EVENT_SCHEMA,
  SchemaRegistry,
  WriterSchemas,
  type EventEncoder,
} from '@trailpush/datasets';
import { checkGoogleKey, parseCidrs, type DestinationPolicy } from '@trailpush/destinations';
import {
  ensureTopic,
  lockDataFolder,
  openEmbeddedLog,
  openKafkaLog,
  preflightTopic,
} from '@trailpush/log';
import {
  secretsInDataFolder,
  type Config,
  type Lifecycle,
  type ProgramSecrets,
  type Readiness,
} from '@trailpush/runtime';
import { openPostgresStores, openSqliteStores, type Stores } from '@trailpush/stores';

/** What every command is built from. */
export interface Base {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  readonly readiness: Readiness;
}

/** The data folder belongs to one process; several need Kafka and PostgreSQL, and no folder of state. */
export function takeDataFolder({ config, lifecycle }: Base): void {
  if (config.kafka && config.databaseUrl) return;
  const lock = lockDataFolder(config.dataFolder);
  lifecycle.defer('data folder', 1000, async () => lock.release());
}

/** Of a topic that we have to make ourselves; several batchers can share it. */
const NEW_TOPIC_PARTITIONS = 12;
/** What Kafka takes for "as the broker is set". */
const BROKER_DEFAULT = -1;

/** Kafka when KAFKA_BROKERS is set, else the embedded log. @throws ConfigError, LogUnavailableError */
export async function openLog(base: Base): Promise<RecordLog> {
  const { config, clock, logger, lifecycle, readiness } = base;
  const { topic, maxRecordBytes } = config;
  const common = { topic, maxRecordBytes, clock, logger: logger.child({ part: 'log' }) };
  let log: RecordLog;
  if (config.kafka) {
    const options = { ...common, ...config.kafka, clientId: 'trailpush' };
    await ensureTopic({
      ...options,
      partitions: NEW_TOPIC_PARTITIONS,
      replicationFactor: BROKER_DEFAULT,
    });
    for (const warning of await preflightTopic(options))
      logger.warn({ warning }, 'check the topic');
    log = await openKafkaLog(options);
  } else {
    log = await openEmbeddedLog({ ...common, dir: config.dataFolder });
  }
  lifecycle.defer('log', 5000, () => log.close());
  readiness.add('log', () => log.health());
  return log;
}

/** PostgreSQL when DATABASE_URL is set, else SQLite in the data folder. */
export async function openStores(base: Base, secrets: ProgramSecrets): Promise<Stores> {
  const { config, clock, logger, lifecycle, readiness } = base;
  const secretKey = Buffer.from(secrets.secretKey.reveal(), 'base64');
  const { ledgerMaxAgeMs, digestIntervalMs } = config;
  const common = {
    ...{ secretKey, clock, logger: logger.child({ part: 'stores' }), ledgerMaxAgeMs },
    makesDigests: digestIntervalMs > 0,
  };
  const stores = config.databaseUrl
    ? await openPostgresStores({ ...common, url: config.databaseUrl })
    : await openSqliteStores({ ...common, file: join(config.dataFolder, 'state.db') });
  lifecycle.defer('stores', 5000, () => stores.close());
  readiness.add('stores', () => stores.health());
  return stores;
}

/** The admin token and the key of sealed destinations. */
export async function openSecrets({ config }: Base): Promise<ProgramSecrets> {
  return secretsInDataFolder(config.dataFolder, config);
}

export interface Events {
  readonly datasets: ReadonlyMap<string, Dataset>;
  /** An event as the value of a record, in the framing that this installation uses. */
  readonly encode: EventEncoder;
  /** For the indexer: one for each partition. */
  readonly openEntryReader: () => EntryReader;
}

/** Schemas of events: from the registry when SCHEMA_REGISTRY_URL is set, else by fingerprint. */
export async function openEvents(base: Base): Promise<Events> {
  const { config, clock, logger, lifecycle, readiness } = base;
  const registry = config.schemaRegistryUrl
    ? new SchemaRegistry({ url: config.schemaRegistryUrl, clock, logger })
    : undefined;
  if (registry) {
    lifecycle.defer('schema registry', 1000, async () => registry.close());
    readiness.add('schema registry', () => registry.health());
  }
  const schemas = new WriterSchemas(registry ? { registry } : {});
  const encode = registry
    ? confluentEncoder(await registry.register(`${config.topic}-value`, EVENT_SCHEMA))
    : encodeEvent;
  const openEntryReader = () => new EntryReader(schemas);
  return { datasets: datasets(schemas), encode, openEntryReader };
}

export function destinationPolicy(config: Config): DestinationPolicy {
  return {
    allowPrivate: parseCidrs(config.allowPrivateDestinations.join(',')),
    fileRoot: config.fileRoot,
    googleKey: readGoogleKey(config.googleKeyFile),
  };
}

/** @throws ConfigError when the file cannot be read, or is no key of a service account */
function readGoogleKey(file: string | undefined): Secret | undefined {
  if (file === undefined) return undefined;
  try {
    const key = new Secret(readFileSync(file, 'utf8'));
    checkGoogleKey(key);
    return key;
  } catch (error) {
    throw new ConfigError(
      `TRAILPUSH_GOOGLE_KEY_FILE must name the JSON key of a service account, but ${file}: ${messageOf(error)}`,
    );
  }
}
