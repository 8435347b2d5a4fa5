import { randomUUID } from 'node:crypto';
import kafkajs, { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs';
import type { Admin, Message } from 'kafkajs';
import { ensureTopic, openKafkaLog } from '@trailpush/log';
import type { KafkaLogOptions } from '@trailpush/log';
import type { RecordLog } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { createRecordingLogger } from '../recording-logger.ts';
import type { RecordLogTopic } from '../contracts/record-log.ts';

/** The largest value that the log of a test topic takes, and room for its key. */
export const maxValueBytes = 3 * 1024 * 1024;
const maxRecordBytes = maxValueBytes + 1024;

const producerOptions = { createPartitioner: Partitioners.DefaultPartitioner };

/** A fresh topic on a real Kafka, and what tests do to it behind the back of the log. */
export class KafkaTestTopic implements RecordLogTopic {
  readonly name = `test-${randomUUID()}`;
  readonly options: KafkaLogOptions;
  readonly admin: Admin;
  readonly #kafka: Kafka;
  readonly #partitions: number;

  private constructor(brokers: readonly string[], partitions: number) {
    const { logger } = createRecordingLogger();
    const client = { brokers, clientId: 'trailpush-test', ssl: false, sasl: undefined };
    this.options = { ...client, topic: this.name, maxRecordBytes, clock: systemClock, logger };
    this.#partitions = partitions;
    this.#kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
    this.admin = this.#kafka.admin();
  }

  static async create(brokers: readonly string[], partitions = 3): Promise<KafkaTestTopic> {
    const topic = new KafkaTestTopic(brokers, partitions);
    await topic.admin.connect();
    await ensureTopic({ ...topic.options, partitions, replicationFactor: 1 });
    return topic;
  }

  async open(): Promise<RecordLog> {
    return openKafkaLog(this.options);
  }

  async cleanup(): Promise<void> {
    await this.admin.deleteTopics({ topics: [this.name] });
    await this.admin.disconnect();
  }

  async committed(groupId: string): Promise<ReadonlyMap<number, number>> {
    const [offsets] = await this.admin.fetchOffsets({ groupId, topics: [this.name] });
    const known = (offsets?.partitions ?? []).map((p) => [p.partition, Number(p.offset)] as const);
    return new Map(known.filter(([, offset]) => offset >= 0));
  }

  readonly forgetAll = async (): Promise<void> => {
    const partitions = Array.from({ length: this.#partitions }, (_, partition) => partition);
    await this.deleteRecords(partitions, -1);
  };

  /** Moves the start of partitions up to `offset`, or to their ends with -1. */
  async deleteRecords(partitions: readonly number[], offset: number): Promise<void> {
    // Makes kafkajs learn the leaders, which deleteTopicRecords needs and does not ask for.
    await this.admin.fetchTopicOffsets(this.name);
    await this.admin.deleteTopicRecords({
      topic: this.name,
      partitions: partitions.map((partition) => ({ partition, offset: String(offset) })),
    });
  }

  /** An aborted transaction: a record that nobody may see, and the marker behind it. */
  readonly leaveGap = async (partition: number): Promise<void> => {
    const transaction = await this.transaction(partition);
    await transaction.send('aborted');
    await transaction.abort();
  };

  /** A transaction of its own producer on one partition. */
  async transaction(partition = 0): Promise<TestTransaction> {
    const producer = this.#kafka.producer({ transactionalId: randomUUID(), ...producerOptions });
    await producer.connect();
    const transaction = await producer.transaction();
    return {
      send: (value) => transaction.send({ topic: this.name, messages: [{ partition, value }] }),
      commit: async () => {
        await transaction.commit();
        await producer.disconnect();
      },
      abort: async () => {
        await transaction.abort();
        await producer.disconnect();
      },
    };
  }

  readonly appendRaw = async (record: {
    partition: number;
    key: Uint8Array | null;
    value: Uint8Array | null;
  }): Promise<void> => {
    const { partition, key, value } = record;
    const bytes = (part: Uint8Array | null): Buffer | null => part && Buffer.from(part);
    await this.send([{ partition, key: bytes(key), value: bytes(value) }]);
  };

  /** Sends one batch with kafkajs' own producer. */
  async send(messages: Message[], compression = CompressionTypes.None): Promise<void> {
    const producer = this.#kafka.producer(producerOptions);
    await producer.connect();
    try {
      await producer.send({ topic: this.name, compression, messages });
    } finally {
      await producer.disconnect();
    }
  }

  /** Changes settings of the topic. */
  async configure(settings: Readonly<Record<string, string>>): Promise<void> {
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    const type = kafkajs.ConfigResourceTypes.TOPIC;
    await this.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type, name: this.name, configEntries }],
    });
  }
}

export interface TestTransaction {
  send(value: string): Promise<unknown>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}
