import kafkajs from 'kafkajs';
import type { Admin } from 'kafkajs';
import { LogUnavailableError, messageOf } from '@trailpush/core';
import type { Clock, Logger } from '@trailpush/core';
import { kafkajsLogCreator, kafkajsLogLevel } from './kafkajs-logger.ts';
import { saslOptions } from './options.ts';
import type { KafkaAddress } from './options.ts';

const weekMs = 7 * 24 * 60 * 60 * 1000;
const defaultMaxMessageBytes = 1024 * 1024 + 12;
const visibleWithinMs = 10_000;
/** What a batch adds to the one record that is as large as it may be. */
const batchOverheadBytes = 1024;

export interface TopicToCheck extends KafkaAddress {
  readonly topic: string;
  /** The largest key and value together. */
  readonly maxRecordBytes: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface TopicToEnsure extends TopicToCheck {
  readonly partitions: number;
  readonly replicationFactor: number;
}

/**
 * Creates the topic unless it exists, with the settings that `preflightTopic` asks for.
 * @throws LogUnavailableError when Kafka does not answer or refuses.
 */
export async function ensureTopic(options: TopicToEnsure): Promise<'created' | 'exists'> {
  const { topic, partitions: numPartitions, replicationFactor, maxRecordBytes } = options;
  const settings = {
    'cleanup.policy': 'delete',
    'message.timestamp.type': 'LogAppendTime',
    'retention.ms': String(weekMs),
    'retention.bytes': '-1',
    'max.message.bytes': String(neededMessageBytes(maxRecordBytes)),
    ...(replicationFactor >= 3 ? { 'min.insync.replicas': '2' } : {}),
  };
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  return withAdmin(options, `topic ${topic} could not be created`, async (admin) => {
    const created = await admin.createTopics({
      topics: [{ topic, numPartitions, replicationFactor, configEntries }],
      // kafkajs gives up at the first broker that has not heard of the topic yet.
      waitForLeaders: false,
    });
    await waitForTopic(admin, options);
    return created ? 'created' : 'exists';
  });
}

/** A new topic is known to the controller first and to the brokers a moment later. */
async function waitForTopic(admin: Admin, { topic, clock }: TopicToCheck): Promise<void> {
  const deadlineMs = clock.monotonic() + visibleWithinMs;
  for (;;) {
    try {
      await admin.fetchTopicMetadata({ topics: [topic] });
      return;
    } catch (error) {
      if (clock.monotonic() >= deadlineMs) throw error;
      await clock.sleep(100);
    }
  }
}

/**
 * Sentences about settings of the topic under which events can be lost or refused; none when all is well.
 * @throws LogUnavailableError when Kafka does not answer or the topic does not exist.
 */
export async function preflightTopic(options: TopicToCheck): Promise<readonly string[]> {
  const { topic, maxRecordBytes } = options;
  return withAdmin(options, `the settings of topic ${topic} are not known`, async (admin) => {
    const metadata = await admin.fetchTopicMetadata({ topics: [topic] });
    const replicas = metadata.topics.flatMap((t) => t.partitions.map((p) => p.replicas.length));
    const described = await admin.describeConfigs({
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
      includeSynonyms: false,
    });
    const entries = described.resources.flatMap((resource) => resource.configEntries);
    const settings = new Map(entries.map((entry) => [entry.configName, entry.configValue]));
    return warningsOf(topic, settings, Math.min(...replicas), neededMessageBytes(maxRecordBytes));
  });
}

function warningsOf(
  topic: string,
  settings: ReadonlyMap<string, string>,
  replicas: number,
  messageBytes: number,
): string[] {
  const text = (name: string): string => settings.get(name) ?? 'unknown';
  const number = (name: string): number => Number(settings.get(name) ?? Number.NaN);
  const warnings: string[] = [];
  const warn = (name: string, harm: string, remedy: string): void => {
    warnings.push(`${name} of topic ${topic} is ${text(name)}: ${harm}; set it to ${remedy}`);
  };
  if (text('cleanup.policy') !== 'delete') {
    warn('cleanup.policy', 'compaction removes audit events', 'delete');
  }
  if (text('message.timestamp.type') !== 'LogAppendTime') {
    warn(
      'message.timestamp.type',
      'retention and object names follow the clocks of producers, and old times are deleted at once',
      'LogAppendTime',
    );
  }
  if (number('retention.bytes') >= 0) {
    warn('retention.bytes', 'a burst of events deletes those of a destination that is down', '-1');
  }
  const retentionMs = number('retention.ms');
  if (retentionMs >= 0 && retentionMs < weekMs) {
    warn('retention.ms', 'a destination may be down for less than a week', `${weekMs} or more`);
  }
  if (replicas < 3) {
    warnings.push(
      `topic ${topic} has a replication factor of ${replicas}: a broken disk can lose events; raise it to 3`,
    );
  } else if (number('min.insync.replicas') < 2) {
    warn('min.insync.replicas', 'an event may be acknowledged by one broker alone', '2');
  }
  if (text('unclean.leader.election.enable') === 'true') {
    warn('unclean.leader.election.enable', 'acknowledged events can be lost', 'false');
  }
  if (number('max.message.bytes') < messageBytes) {
    warn(
      'max.message.bytes',
      'records up to TRAILPUSH_MAX_RECORD_BYTES may be refused',
      `${messageBytes} or more`,
    );
  }
  return warnings;
}

function neededMessageBytes(maxRecordBytes: number): number {
  return Math.max(defaultMaxMessageBytes, maxRecordBytes + batchOverheadBytes);
}

async function withAdmin<T>(
  options: TopicToCheck,
  failure: string,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const kafka = new kafkajs.Kafka({
    brokers: [...options.brokers],
    clientId: options.clientId,
    ssl: options.ssl,
    ...(options.sasl === undefined ? {} : { sasl: saslOptions(options.sasl) }),
    logLevel: kafkajsLogLevel,
    logCreator: kafkajsLogCreator(options.logger),
    connectionTimeout: 5_000,
    retry: { retries: 4, initialRetryTime: 200, maxRetryTime: 2_000 },
  });
  const admin = kafka.admin();
  let connected = false;
  try {
    await admin.connect();
    connected = true;
    return await work(admin);
  } catch (error) {
    const problem = messageOf(error);
    const message = connected ? `${failure}: ${problem}` : unreachable(options, problem);
    throw new LogUnavailableError(message, { cause: error });
  } finally {
    await admin.disconnect();
  }
}

function unreachable({ brokers }: KafkaAddress, problem: string): string {
  return (
    `Kafka at ${brokers.join(',')} cannot be used (${problem}): ` +
    'check that it runs and that KAFKA_BROKERS, KAFKA_SSL and KAFKA_SASL_* are right'
  );
}
