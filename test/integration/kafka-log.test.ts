import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs, { CompressionTypes } from 'kafkajs';
import createSnappyCodec from 'kafkajs-snappy';
import { compressFrame, decompressFrame } from 'lz4-napi';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogUnavailableError } from '@trailpush/core';
import type { Assignment, RecordLog } from '@trailpush/core';
import { openKafkaLog, preflightTopic } from '@trailpush/log';
import { recordLogContract } from '@trailpush/test/kit/contracts/record-log.ts';
import {
  boundsOf,
  numbered,
  readRest,
  text,
  until,
} from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { systemClock } from '@trailpush/runtime';
import { startKafka } from '@trailpush/test/kit/kafka/index.ts';
import { KafkaTestTopic, maxValueBytes } from '@trailpush/test/kit/kafka/topic.ts';

const { kafka, reason } = await startKafka();
const note = reason === undefined ? '' : ` (${reason})`;
afterAll(async () => kafka?.stop());

const { CompressionCodecs } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = createSnappyCodec;
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder: { buffer: Buffer }) => compressFrame(encoder.buffer),
  decompress: decompressFrame,
});
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: (encoder: { buffer: Buffer }) => promisify(zstdCompress)(encoder.buffer),
  decompress: promisify(zstdDecompress),
});

describe.skipIf(kafka === undefined)(`Kafka log${note}`, () => {
  recordLogContract('Kafka', {
    createTopic: () => KafkaTestTopic.create(kafka!.brokers),
    severalHandles: true,
    maxRecordBytes: maxValueBytes,
  });
});

describe.skipIf(kafka === undefined)(`Kafka log beyond the contract${note}`, () => {
  let topic: KafkaTestTopic;
  let log: RecordLog;
  beforeEach(async () => {
    topic = await KafkaTestTopic.create(kafka!.brokers);
    log = await topic.open();
  });
  afterEach(async () => {
    await log.close();
    await topic.cleanup();
  });

  it.each(['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const)(
    'reads batches compressed with %s, from any offset within',
    async (codec) => {
      const messages = numbered('k', 300).map(({ value }, i) => ({
        partition: 0,
        key: `key-${i}`,
        value: Buffer.from(value),
      }));
      await topic.send(messages, CompressionTypes[codec]);
      for (const from of [0, 1, 150, 299]) {
        const found = await readRest(log, 0, from);
        expect(found.map((r) => text(r.key))).toEqual(messages.slice(from).map((m) => m.key));
        expect(found.map((r) => text(r.value))).toEqual(
          messages.slice(from).map((m) => text(m.value)),
        );
      }
    },
  );

  it('reads what a transaction commits and nothing of one that aborts, interleaved', async () => {
    const one = await topic.transaction();
    const two = await topic.transaction();
    for (let i = 0; i < 5; i += 1) {
      await one.send('aborted');
      await two.send(`committed ${i}`);
      await topic.send([{ partition: 0, value: `plain ${i}` }]);
    }
    await two.commit();
    await topic.send([{ partition: 0, value: 'between' }]);
    await one.abort();
    const found = (await readRest(log, 0, 0)).map((r) => text(r.value));
    const rounds = Array.from({ length: 5 }, (_, i) => [`committed ${i}`, `plain ${i}`]);
    expect(found).toEqual([...rounds.flat(), 'between']);
  });

  it('keeps most partitions where they are when a member joins', async () => {
    const wide = await KafkaTestTopic.create(kafka!.brokers, 12);
    const logs = [await wide.open(), await wide.open(), await wide.open()];
    const held: number[][] = [[], [], []];
    const join = (i: number): Promise<unknown> =>
      logs[i]!.joinGroup('sticky', (a) => (held[i] = [...a.partitions]));
    await join(0);
    await until('the first holds all', () => held[0]!.length === 12);
    await join(1);
    await until('two share', () => held[0]!.length === 6 && held[1]!.length === 6);
    const before = [...held];
    await join(2);
    await until('three share', () => held.every((partitions) => partitions.length === 4));
    for (const i of [0, 1]) expect(before[i]).toEqual(expect.arrayContaining(held[i]!));
    await Promise.all(logs.map((each) => each.close()));
    await wide.cleanup();
  });

  it('assigns, reads and fills partitions that are added later', async () => {
    const assignments: Assignment[] = [];
    const membership = await log.joinGroup('growing', (a) => assignments.push(a));
    await until('the member holds all', () => assignments.at(-1)?.partitions.length === 3);
    await topic.admin.createPartitions({ topicPartitions: [{ topic: topic.name, count: 5 }] });
    // Asking for the bounds notices it at once; without, the half-minute look at the metadata does.
    await expect.poll(async () => (await log.bounds()).length).toBe(5);
    await until('the member holds the new ones', () => assignments.at(-1)?.partitions.length === 5);
    await log.append(Array.from({ length: 50 }, (_, i) => numbered(`key-${i}`, 1)).flat());
    expect((await boundsOf(log, 4)).end).toBeGreaterThan(0);
    expect(await readRest(log, 4, 0)).not.toEqual([]);
    await membership.leave();
  });

  it('leaves partitions of another member out of its commits', async () => {
    const other = await topic.open();
    const held: (readonly number[])[] = [[], []];
    const mine = await log.joinGroup('fenced', (a) => (held[0] = a.partitions));
    await until('the first holds all', () => held[0]?.length === 3);
    const theirs = await other.joinGroup('fenced', (a) => (held[1] = a.partitions));
    await until('two share', () => held.every((own) => own.length > 0) && held.flat().length === 3);
    const everything = new Map([0, 1, 2].map((partition) => [partition, 7]));
    await mine.commit(everything);
    expect([...(await topic.committed('fenced')).keys()].toSorted()).toEqual(held[0]);
    await theirs.commit(everything);
    expect((await topic.committed('fenced')).size).toBe(3);
    await Promise.all([mine.leave(), theirs.leave()]);
    await mine.commit(new Map([[0, 1]]));
    expect((await topic.committed('fenced')).get(0)).toBe(7);
    await other.close();
  });

  it('warns of settings under which events can be lost', async () => {
    expect(await preflightTopic(topic.options)).toEqual([
      expect.stringMatching(
        /replication factor of 1: a broken disk can lose events; raise it to 3/,
      ),
    ]);
    await topic.configure({
      'cleanup.policy': 'compact',
      'message.timestamp.type': 'CreateTime',
      'retention.ms': '3600000',
      'retention.bytes': '1000000',
      'max.message.bytes': '1000',
    });
    const warnings = (await preflightTopic(topic.options)).join('\n');
    expect(warnings).toMatch(/^cleanup.policy of topic test-.* is compact: .*; set it to delete$/m);
    expect(warnings).toMatch(/^message.timestamp.type of .* is CreateTime: .* LogAppendTime$/m);
    expect(warnings).toMatch(/^retention.ms of .* is 3600000: .*; set it to 604800000 or more$/m);
    expect(warnings).toMatch(/^retention.bytes of .* is 1000000: .*; set it to -1$/m);
    expect(warnings).toMatch(/^max.message.bytes of .* is 1000: .*; set it to 3147776 or more$/m);
  });

  it('says what Kafka has against a record', async () => {
    await topic.configure({ 'max.message.bytes': '1000' });
    const appending = log.append([{ key: 'k', value: Buffer.alloc(2000) }]);
    await expect(appending).rejects.toThrow(LogUnavailableError);
    await expect(appending).rejects.toThrow(
      /Kafka refuses records for partition .*MESSAGE_TOO_LARGE/,
    );
    await log.append(numbered('k', 1));
  });
});

describe('a Kafka log that cannot be reached', () => {
  const options = { brokers: ['127.0.0.1:1'], ssl: false, sasl: undefined, clientId: 'test' };

  it('says so, in health and in errors, and closes', async () => {
    const { logger, lines } = createRecordingLogger();
    const shared = { topic: 'none', maxRecordBytes: 1000, clock: systemClock, logger };
    const log = await openKafkaLog({ ...options, ...shared });
    const reading = expect(log.openReader(0, 0).read()).rejects.toThrow('closed');
    await expect(log.bounds()).rejects.toThrow(
      /no Kafka broker answers: .*127\.0\.0\.1:1.*ECONNREFUSED/,
    );
    expect(log.health()).toMatch(/^no Kafka broker answers: .*ECONNREFUSED.* \(for \d+ s\)$/);
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    await log.close();
    await reading;
  });
});
