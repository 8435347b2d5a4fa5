import { randomUUID } from 'node:crypto';
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs';
import type { Admin, Message, Producer } from 'kafkajs';
import { ensureTopic, openKafkaLog } from '@trailpush/log';
import type { KafkaLogOptions } from '@trailpush/log';
import type { RecordLog } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { createRecordingLogger } from '../recording-logger.ts';
import type { RecordLogTopic } from '../contracts/record-log.ts';

/** The largest value that the log of a test topic takes, and room for its key. */
export const maxValueBytes = 3 * 1024 * 1024;
const maxRecordBytes = maxValueBytes + 1024;

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
    await this.#produce({ transactionalId: randomUUID(), maxInFlightRequests: 1 }, async (p) => {
      const transaction = await p.transaction();
      await transaction.send({
        topic: this.name,
        messages: [{ partition, key: 'aborted', value: 'aborted' }],
      });
      await transaction.abort();
    });
  };

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
    await this.#produce({}, (p) => p.send({ topic: this.name, compression, messages }));
  }

  async #produce(
    options: { transactionalId?: string; maxInFlightRequests?: number },
    work: (producer: Producer) => Promise<unknown>,
  ): Promise<void> {
    const createPartitioner = Partitioners.DefaultPartitioner;
    const producer = this.#kafka.producer({ ...options, createPartitioner });
    await producer.connect();
    try {
      await work(producer);
    } finally {
      await producer.disconnect();
    }
  }
}
