import type { RecordLog } from '@trailpush/core';
import { ensureTopic, openEmbeddedLog, openKafkaLog } from '@trailpush/log';
import { createLogger, systemClock as clock } from '@trailpush/runtime';

export const MAX_RECORD_BYTES = 8 * 1024 * 1024;
const KAFKA_PARTITIONS = 4;

export const logger = createLogger({ level: 'warn', stream: process.stderr });

/** `embedded` in a folder, or Kafka with a topic of its own. */
export interface LogPlace {
  readonly folder: string;
  readonly brokers: readonly string[];
  readonly topic: string;
}

export async function openBenchLog({ folder, brokers, topic }: LogPlace): Promise<RecordLog> {
  if (brokers.length === 0) return openEmbeddedLog({ dir: folder, clock, logger, topic });
  const address = { brokers, clientId: 'trailpush-bench', ssl: false, sasl: undefined };
  const options = { ...address, topic, clock, logger, maxRecordBytes: MAX_RECORD_BYTES };
  await ensureTopic({ ...options, partitions: KAFKA_PARTITIONS, replicationFactor: 1 });
  return openKafkaLog(options);
}
