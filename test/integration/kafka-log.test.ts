import { afterAll, describe } from 'vitest';
import { recordLogContract } from '@trailpush/test/kit/contracts/record-log.ts';
import { startKafka } from '@trailpush/test/kit/kafka/index.ts';
import { KafkaTestTopic, maxValueBytes } from '@trailpush/test/kit/kafka/topic.ts';

const { kafka, reason } = await startKafka();

describe.skipIf(kafka === undefined)(
  `Kafka log${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    const brokers = kafka?.brokers ?? [];
    afterAll(async () => kafka?.stop());

    recordLogContract('Kafka', {
      createTopic: () => KafkaTestTopic.create(brokers),
      severalHandles: true,
      maxRecordBytes: maxValueBytes,
    });
  },
);
