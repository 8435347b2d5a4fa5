import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpReceiver } from '../kit/http-receiver.ts';
import { startKafka, type StartedKafka } from '../kit/kafka/index.ts';
import { startPostgres, type StartedPostgres } from '../kit/postgres.ts';
import { createTestDatabase } from '../kit/postgres/ready.ts';
import { FakeS3 } from '../kit/s3/fake-s3.ts';
import {
  BucketReader,
  FolderReader,
  judge,
  ReceiverReader,
  type Arrivals,
} from '../kit/system/arrivals.ts';
import { createJob } from '../kit/system/client.ts';
import { Load } from '../kit/system/load.ts';
import { eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: with real Kafka and PostgreSQL and two batchers, SIGKILL of either at any moment loses nothing that
 * was acknowledged and repeats nothing on object stores. Method: as in kill-embedded.test.ts; the API runs
 * apart and is not killed, the batchers are killed in turn.
 */
const EVENTS = 200_000;
const KILLS = 10;
const ACCOUNTS = ['acme', 'globex', 'initech'];

const kafka: StartedKafka = await startKafka();
const postgres: StartedPostgres = await startPostgres();
const missing = kafka.reason ?? ('unavailable' in postgres ? postgres.unavailable : undefined);

describe.skipIf(missing !== undefined)(
  `two batchers on Kafka${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'trailpush-kill-kafka-'));
    const outFolder = join(folder, 'out');
    let s3: FakeS3;
    let receiver: HttpReceiver;
    let api: Program;
    const batchers: Program[] = [];

    beforeAll(async () => {
      if (!kafka.kafka || 'unavailable' in postgres) throw new Error(missing);
      mkdirSync(outFolder);
      s3 = await FakeS3.start();
      receiver = await HttpReceiver.start();
      const environment = {
        KAFKA_BROKERS: kafka.kafka.brokers.join(','),
        KAFKA_TOPIC: `kill-${randomBytes(4).toString('hex')}`,
        DATABASE_URL: (await createTestDatabase(postgres.url)).url,
        TRAILPUSH_SECRET_KEY: randomBytes(32).toString('base64'),
        TRAILPUSH_FILE_ROOT: outFolder,
      };
      api = await Program.start({ command: 'api', dataFolder: folder, environment });
      for (const name of ['one', 'two']) {
        const dataFolder = join(folder, name);
        batchers.push(await Program.start({ command: 'batcher', dataFolder, environment }));
      }
    });

    afterAll(async () => {
      await Promise.all([...batchers, api].map((program) => program.kill()));
      await Promise.all([s3.stop(), receiver.stop()]);
      await kafka.kafka?.stop();
      if (!('unavailable' in postgres)) await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    async function killInTurn(loads: readonly Load[]): Promise<void> {
      const acknowledged = (): number =>
        loads.reduce((sum, load) => sum + load.acknowledged.size, 0);
      for (let kills = 0; kills < KILLS; kills++) {
        const due = (EVENTS * (kills + Math.random())) / KILLS;
        await eventually(
          'the next kill is due',
          240_000,
          () => acknowledged() >= Math.min(due, EVENTS),
        );
        const batcher = batchers[kills % batchers.length];
        await batcher?.kill();
        batcher?.launch();
      }
      for (const batcher of batchers) await batcher.ready();
    }

    it(
      'delivers everything exactly once to objects, through ten kills',
      { timeout: 480_000 },
      async () => {
        const bucket = s3.createBucket('audit');
        const keys = `access-key-id=${s3.accessKeyId}&secret-access-key=${encodeURIComponent(s3.secretAccessKey)}`;
        const interval = { max_upload_interval_seconds: 1 };
        for (const account of ACCOUNTS) {
          for (const [name, conf] of [
            ['file', `file://files/${account}/{DATE}`],
            ['s3', `s3://audit/${account}/{DATE}?region=us-east-1&endpoint=${s3.endpoint}&${keys}`],
            ['http', `${receiver.origin}/${account}`],
          ] as const) {
            await createJob(api.url, account, { name, destination_conf: conf, ...interval });
          }
        }
        const loads = ACCOUNTS.map((account) => new Load([api.url], account));
        const killing = killInTurn(loads);
        await Promise.all(loads.map((load) => load.send(Math.ceil(EVENTS / loads.length))));
        await killing;

        const acknowledged = new Set(loads.flatMap((load) => [...load.acknowledged]));
        const uncertain = new Set(loads.flatMap((load) => [...load.uncertain]));
        const http = new ReceiverReader(receiver);
        const readers = [
          new FolderReader(join(outFolder, 'files')),
          new BucketReader(bucket),
          http,
        ];
        const isComplete = (arrivals: Arrivals): boolean =>
          [...acknowledged].every((id) => arrivals.has(id));
        await eventually('all events are in files, bucket and receiver', 180_000, () =>
          readers.every((reader) => isComplete(reader.look())),
        );
        for (const reader of readers) {
          expect(judge(reader.look(), acknowledged, uncertain)).toEqual({
            missing: 0,
            repeated: 0,
            foreign: 0,
          });
        }
        process.stdout.write(
          `  ${KILLS} kills, ${acknowledged.size} acknowledged, ${uncertain.size} uncertain, ${http.repeats} repeated HTTP requests\n`,
        );
      },
    );
  },
);
