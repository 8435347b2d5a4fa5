import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startKafka } from '../kit/kafka/index.ts';
import { startPostgres } from '../kit/postgres.ts';
import { createTestDatabase } from '../kit/postgres/ready.ts';
import { FakeS3, type Bucket } from '../kit/s3/fake-s3.ts';
import { BucketReader, FolderReader } from '../kit/system/arrivals.ts';
import { createJob, getJob } from '../kit/system/client.ts';
import { Load } from '../kit/system/load.ts';
import { eventually, Program } from '../kit/system/program.ts';
import { lasting, pass } from './durations.ts';
import { expectExactly } from './world.ts';

/**
 * Rows of the fault matrix about Kafka. Method: an API and two batchers on real Kafka and PostgreSQL, in
 * processes of their own; a new topic and a new database for each row.
 */
const EVENTS = 10_000;
/** Longer than the session timeout of the group, so that the partitions have moved. */
const PAUSE_MS = 15_000;
const ACCOUNTS = ['acme', 'globex', 'initech'];

const kafka = await startKafka({ disposable: true });
const postgres = await startPostgres();
const missing = kafka.reason ?? ('unavailable' in postgres ? postgres.unavailable : undefined);

describe.skipIf(missing !== undefined)(
  `the fault matrix: Kafka${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    let folder: string;
    let topic: string;
    let s3: FakeS3;
    let bucket: Bucket;
    let api: Program;
    let batchers: Program[];
    let loads: Load[];
    let jobs: number[];
    let environment: Record<string, string>;
    const admin = new Kafka({
      brokers: kafka.kafka?.brokers ?? [],
      logLevel: logLevel.NOTHING,
    }).admin();

    beforeAll(() => admin.connect());
    afterAll(async () => {
      await admin.disconnect();
      await kafka.kafka?.stop();
      if (!('unavailable' in postgres)) await postgres.stop();
    });

    beforeEach(async () => {
      if ('unavailable' in postgres) throw new Error(missing);
      folder = mkdtempSync(join(tmpdir(), 'trailpush-faults-kafka-'));
      mkdirSync(join(folder, 'out'));
      topic = `faults-${randomBytes(4).toString('hex')}`;
      s3 = await FakeS3.start();
      bucket = s3.createBucket('audit');
      environment = {
        KAFKA_BROKERS: kafka.kafka?.brokers.join(',') ?? '',
        KAFKA_TOPIC: topic,
        DATABASE_URL: (await createTestDatabase(postgres.url)).url,
        TRAILPUSH_SECRET_KEY: randomBytes(32).toString('base64'),
        TRAILPUSH_FILE_ROOT: join(folder, 'out'),
      };
      api = await Program.start({ command: 'api', dataFolder: folder, environment });
      batchers = [await batcher('one'), await batcher('two')];
      jobs = [];
      loads = [];
      for (const account of ACCOUNTS) await addAccount(account);
    });

    afterEach(async () => {
      for (const { pid } of batchers) if (pid) signal(pid, 'SIGCONT');
      await Promise.all([...batchers, api].map((program) => program.kill()));
      await s3.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const batcher = (name: string) =>
      Program.start({ command: 'batcher', dataFolder: join(folder, name), environment });

    /** A job to files and one to objects, and what sends to them. */
    const addAccount = async (account: string) => {
      const keys = `access-key-id=${s3.accessKeyId}&secret-access-key=${encodeURIComponent(s3.secretAccessKey)}`;
      const place = `region=us-east-1&endpoint=${s3.endpoint}&${keys}`;
      for (const conf of [`file://${account}/{DATE}`, `s3://audit/${account}?${place}`]) {
        const job = { name: 'job', destination_conf: conf, max_upload_interval_seconds: 1 };
        jobs.push(await createJob(api.url, account, job));
      }
      loads.push(new Load([api.url], account));
    };

    /** As many more events, spread over the accounts. */
    const send = async (events = EVENTS) => {
      await Promise.all(
        loads.map((load) => load.send(load.acknowledged.size + events / loads.length)),
      );
    };

    const expectAll = async (row: number) => {
      const whole = new Load([], 'all');
      for (const load of loads) {
        for (const id of load.acknowledged) whole.acknowledged.add(id);
        for (const id of load.uncertain) whole.uncertain.add(id);
      }
      const readers = [new FolderReader(join(folder, 'out')), new BucketReader(bucket)];
      await expectExactly(row, whole, readers, 120_000);
    };

    it('row 3: a batcher that stood still for longer than its session harms nothing', async () => {
      const [paused] = batchers;
      const sending = send(2 * EVENTS);
      await eventually('it is at work', 60_000, () => loads[0]!.acknowledged.size > 1_000);
      signal(paused!.pid, 'SIGSTOP');
      await pass(lasting(PAUSE_MS, 4 * PAUSE_MS));
      await sending;
      await send();
      signal(paused!.pid, 'SIGCONT');
      await send();
      await expectAll(3);
    });

    it('row 6: batchers come and go every few seconds', async () => {
      const sending = send(3 * EVENTS);
      for (let n = 0; n < lasting(6, 20); n++) {
        const leaving = batchers[n % 2]!;
        expect(await leaving.terminate()).toBe(0);
        await leaving.start();
      }
      await sending;
      await expectAll(6);
    });

    it('row 11: the broker is away for a while, and nobody starts anything again', async () => {
      await send();
      const sending = send();
      await kafka.kafka!.kill();
      await pass(lasting(PAUSE_MS, 600_000));
      await kafka.kafka!.restart();
      await sending;
      await send();
      await expectAll(11);
    });

    it('row 20: offsets that the group has lost are not believed', async () => {
      await send();
      await expectAll(20);
      await Promise.all(batchers.map((program) => program.terminate()));
      await eventually('the group is gone', 60_000, async () => {
        const [result] = await admin.deleteGroups(['trailpush-batcher']).catch(() => []);
        return result?.errorCode === 0 || result === undefined;
      });
      await Promise.all(batchers.map((program) => program.start()));
      await send();
      await expectAll(20);
    });

    it('row 21: partitions are added while events come in', async () => {
      for (const account of 'abcdefgh') await addAccount(account);
      const before = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions;
      const sending = send(2 * EVENTS);
      await admin.createPartitions({
        topicPartitions: [{ topic, count: before.length + 4 }],
      });
      await sending;
      const isNew = ({ partition }: { partition: number }) => partition >= before.length;
      await eventually('the new partitions are written to', 120_000, async () => {
        await send(EVENTS / 10);
        const ends = await admin.fetchTopicOffsets(topic);
        return ends.some((end) => isNew(end) && Number(end.offset) > 0);
      });
      await send();
      await expectAll(21);
    });

    it('row 18: what retention took is a gap and an error, and the rest is delivered', async () => {
      await send();
      await expectAll(18);
      await Promise.all(batchers.map((program) => program.terminate()));
      const lost = loads.map((load) => new Set(load.acknowledged));
      await send();
      const ends = await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({
        topic,
        partitions: ends.map(({ partition, offset }) => ({ partition, offset })),
      });
      // Those are gone for good: only what comes before and after can arrive.
      for (const [n, load] of loads.entries()) {
        for (const id of load.acknowledged) if (!lost[n]!.has(id)) load.acknowledged.delete(id);
      }
      await Promise.all(batchers.map((program) => program.start()));
      await eventually('the job tells of the gap', 60_000, async () => {
        const { error_message: message } = await getJob(api.url, ACCOUNTS[0]!, jobs[0]!);
        return (
          typeof message === 'string' || batchers.some(({ output }) => /gap|lost/.test(output))
        );
      });
      await send();
      await expectAll(18);
    });
  },
);

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

/** The fault lasts so long; nothing can be waited for. */
