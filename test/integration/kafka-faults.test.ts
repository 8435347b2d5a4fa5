import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Assignment, RecordLog } from '@trailpush/core';
import { readAll, until } from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { apiKey, startFaultProxy } from '@trailpush/test/kit/kafka/fault-proxy.ts';
import type { FaultProxy } from '@trailpush/test/kit/kafka/fault-proxy.ts';
import { startKafka } from '@trailpush/test/kit/kafka/index.ts';
import { KafkaTestTopic } from '@trailpush/test/kit/kafka/topic.ts';
import { startReaders, startWriters, valuesOf } from '@trailpush/test/kit/kafka/traffic.ts';

let proxy: FaultProxy | undefined;
const { kafka, reason } = await startKafka({
  disposable: true,
  advertise: async (brokerPort) => {
    proxy = await startFaultProxy(brokerPort);
    return proxy.port;
  },
});

describe.skipIf(kafka === undefined)(`Kafka under faults${reason ? ` (${reason})` : ''}`, () => {
  const broker = kafka!;
  const faults = proxy!;
  let topic: KafkaTestTopic;
  let log: RecordLog;
  beforeEach(async () => {
    topic = await KafkaTestTopic.create(broker.brokers);
    log = await topic.open();
  });
  afterEach(async () => {
    faults.loseAnswersTo = undefined;
    faults.silent = false;
    await log.close();
    await topic.cleanup();
  });
  afterAll(async () => {
    await broker.stop();
    await faults.stop();
  });

  it('loses and repeats nothing while the broker is killed under readers and writers', async () => {
    const readers = startReaders(log, 3);
    const writers = startWriters(log, 20);
    for (const round of [1, 2]) {
      const before = writers.acknowledged.length;
      await until('the writers are at work', () => writers.acknowledged.length > before + 500);
      await broker.kill();
      await broker.restart();
      await until(`append ${round} works again`, () => log.health() === undefined, 60_000);
    }
    const before = writers.acknowledged.length;
    await until('the writers are at work again', () => writers.acknowledged.length > before + 500);
    await writers.stop();
    // A broker that takes longer to come back than an append waits leaves the caller in doubt: such a
    // record may be in the log or not.
    const doubtful = writers.attempted.length - writers.acknowledged.length;
    expect(writers.failures).toHaveLength(doubtful);
    const found = (): Set<string | null> => new Set(readers.records.flatMap(valuesOf));
    await until('every acknowledged record is read', () => {
      const values = found();
      return writers.acknowledged.every((value) => values.has(value));
    });
    expect(readers.count()).toBe(found().size);
    expect(found().size).toBeLessThanOrEqual(writers.attempted.length);
    for (const records of readers.records) {
      const offsets = records.map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    }
  });

  it('neither loses nor repeats records whose confirmation was lost', async () => {
    const writers = startWriters(log, 20);
    await until('the writers are at work', () => writers.acknowledged.length > 100);
    for (let cut = 1; cut <= 20; cut += 1) {
      const target = faults.lost + 1;
      faults.loseAnswersTo = apiKey.produce;
      await until('an answer is lost', () => faults.lost >= target);
      faults.loseAnswersTo = undefined;
      const before = writers.acknowledged.length;
      await until('the writers are at work again', () => writers.acknowledged.length > before + 20);
    }
    await writers.stop();
    const found = (await readAll(log)).flatMap(({ records }) => valuesOf(records));
    expect(writers.failures.map(String)).toEqual([]);
    expect(found.toSorted()).toEqual(writers.acknowledged.toSorted());
  });

  it('goes on where it was after answers to fetches were lost', async () => {
    const readers = startReaders(log, 3);
    const writers = startWriters(log, 5);
    for (let cut = 1; cut <= 5; cut += 1) {
      const [target, read] = [faults.lost + 1, readers.count()];
      faults.loseAnswersTo = apiKey.fetch;
      await until('an answer is lost', () => faults.lost >= target);
      faults.loseAnswersTo = undefined;
      await until('reading goes on', () => readers.count() > read + 50);
    }
    await writers.stop();
    await until('everything is read', () => readers.count() >= writers.acknowledged.length);
    expect(readers.records.flatMap(valuesOf).toSorted()).toEqual(writers.acknowledged.toSorted());
  });

  it('holds its partitions again soon after a restart of the broker', async () => {
    const assignments: Assignment[] = [];
    const membership = await log.joinGroup('restarted', (a) => assignments.push(a));
    await until('the member holds all', () => assignments.at(-1)?.partitions.length === 3);
    await broker.kill();
    await broker.restart();
    // A restart that outlasts the session is told as a loss, and followed by another join.
    const commit = async (): Promise<number | undefined> => {
      await membership.commit(new Map([[0, 1]]));
      return (await topic.committed('restarted')).get(0);
    };
    await expect.poll(commit, { timeout: 30_000 }).toBe(1);
    await until('the member holds all', () => assignments.at(-1)?.partitions.length === 3);
    await membership.leave();
  });

  it('tells of a broker that is silent, and gives the partitions up in time', async () => {
    const assignments: Assignment[] = [];
    await log.joinGroup('silent', (a) => assignments.push(a));
    await until('the member holds all', () => assignments.at(-1)?.partitions.length === 3);
    const reader = log.openReader(0, 0);
    const readers = startReaders(log, 3);
    faults.silent = true;
    const appending = log.append([{ key: 'k', value: Buffer.from('waits') }]);
    const refused = expect(appending).rejects.toThrow(/Kafka did not confirm within 20 s/);
    await until('the member is told', () => assignments.at(-1)?.partitions.length === 0, 45_000);
    await refused;
    expect(log.health()).toMatch(/^(Kafka broker|no Kafka broker|consumer group)/);
    faults.silent = false;
    await until('the member holds all', () => assignments.at(-1)?.partitions.length === 3, 60_000);
    await log.append([{ key: 'k', value: Buffer.from('after') }]);
    await until('it is read', () => readers.records.flatMap(valuesOf).includes('after'), 40_000);
    await until('all is well', () => log.health() === undefined, 40_000);
    await reader.close();
  });
});
