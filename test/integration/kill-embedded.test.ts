import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HttpReceiver } from '../kit/http-receiver.ts';
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
 * Goal: SIGKILL at any moment loses nothing that was acknowledged and repeats nothing on object stores.
 * Method: the real program with the embedded log, killed at random moments while events are sent to
 * it; an independent reader of all three destinations compares with what was acknowledged.
 */
const EVENTS = 200_000;
const KILLS = 10;
const ACCOUNT = 'acme';
const folder = mkdtempSync(join(tmpdir(), 'trailpush-kill-'));
let s3: FakeS3;
let receiver: HttpReceiver;
let program: Program;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  s3 = await FakeS3.start();
  receiver = await HttpReceiver.start();
  program = await Program.start({ command: 'up', dataFolder: folder });
});

afterAll(async () => {
  await program.kill();
  await Promise.all([s3.stop(), receiver.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

it(
  'delivers everything exactly once to objects, through ten kills',
  { timeout: 300_000 },
  async () => {
    const bucket = s3.createBucket('audit');
    const keys = `access-key-id=${s3.accessKeyId}&secret-access-key=${encodeURIComponent(s3.secretAccessKey)}`;
    const interval = { max_upload_interval_seconds: 1 };
    for (const [name, conf] of [
      ['file', 'file://files/{DATE}'],
      ['s3', `s3://audit/logs/{DATE}?region=us-east-1&endpoint=${s3.endpoint}&${keys}`],
      ['http', `${receiver.origin}/in`],
    ] as const) {
      await createJob(program.url, ACCOUNT, { name, destination_conf: conf, ...interval });
    }
    const load = new Load([program.url], ACCOUNT);
    const sending = load.send(EVENTS);
    let kills = 0;
    let isSent = false;
    void sending.finally(() => (isSent = true));
    while (kills < KILLS) {
      // Spread over the whole run: the next kill comes when its share of the events is acknowledged.
      const due = (EVENTS * (kills + Math.random())) / KILLS;
      await eventually(
        'the next kill is due',
        120_000,
        () => load.acknowledged.size >= due || isSent,
      );
      await program.kill();
      kills++;
      await program.start();
    }
    await sending;

    const http = new ReceiverReader(receiver);
    const readers = [
      new FolderReader(join(folder, 'out', 'files')),
      new BucketReader(bucket),
      http,
    ];
    const isComplete = (arrivals: Arrivals): boolean =>
      [...load.acknowledged].every((id) => arrivals.has(id));
    await eventually('all events are in files, bucket and receiver', 120_000, () =>
      readers.every((reader) => isComplete(reader.look())),
    );
    for (const reader of readers) {
      expect(judge(reader.look(), load.acknowledged, load.uncertain)).toEqual({
        missing: 0,
        repeated: 0,
        foreign: 0,
      });
    }
    process.stdout.write(
      `  ${kills} kills, ${load.acknowledged.size} acknowledged, ${load.uncertain.size} uncertain, ${http.repeats} repeated HTTP requests\n`,
    );
  },
);
