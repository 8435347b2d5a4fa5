import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secretsInDataFolder, systemClock as clock } from '@trailpush/runtime';
import { openSqliteStores } from '@trailpush/stores';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRecordingLogger } from '../kit/recording-logger.ts';
import { FolderReader, judge } from '../kit/system/arrivals.ts';
import { createJob } from '../kit/system/client.ts';
import { Load } from '../kit/system/load.ts';
import { eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: SIGTERM under load ends the program with exit code 0 within 25 s, and leaves each cursor where the last
 * confirmed object ends. Method: the real program, terminated while events are sent to it.
 */
const EVENTS = 30_000;
const folder = mkdtempSync(join(tmpdir(), 'trailpush-terminate-'));
const reader = new FolderReader(join(folder, 'out'));
let program: Program;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({ command: 'up', dataFolder: folder });
});

afterAll(async () => {
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** For each partition with confirmed objects: where the last of them ends, and what is owed next. */
async function standings(jobId: number): Promise<{ end: number; next: number }[]> {
  const generated = { adminToken: undefined, secretKey: undefined };
  const { secretKey } = await secretsInDataFolder(folder, generated);
  const { logger } = createRecordingLogger();
  const key = Buffer.from(secretKey.reveal(), 'base64');
  const file = join(folder, 'state.db');
  const stores = await openSqliteStores({ file, secretKey: key, clock, logger });
  const ends = new Map<number, number>();
  for (const { partition, last } of await stores.progress.listLedger(jobId)) {
    ends.set(partition, Math.max(last + 1, ends.get(partition) ?? 0));
  }
  const found: { end: number; next: number }[] = [];
  for (const [partition, end] of ends) {
    const place = { topic: 'audit.events', partition, owner: 'a test' };
    const claimed = await stores.progress.claim({ ...place, heldEpoch: undefined, logStart: 0 });
    const row = claimed.cursors.find((cursor) => cursor.jobId === jobId);
    found.push({ end, next: row?.cursor ?? claimed.liveFrom });
  }
  await stores.close();
  return found;
}

it('ends in time, and every cursor is where the last confirmed object ends', async () => {
  const conf = { destination_conf: 'file://files', max_upload_interval_seconds: 1 };
  const jobId = await createJob(program.url, 'acme', { name: 'files', ...conf });
  const load = new Load([program.url], 'acme');
  const sending = load.send(EVENTS);
  await eventually('it is under load', 60_000, () => load.acknowledged.size > EVENTS / 2);
  const startedMs = performance.now();
  expect(await program.terminate()).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(25_000);
  const found = await standings(jobId);
  expect(found.length).toBeGreaterThan(0);
  for (const { end, next } of found) expect(next).toBe(end);

  await program.start();
  await sending;
  await eventually('everything is delivered', 60_000, () => {
    const arrivals = reader.look();
    return [...load.acknowledged].every((id) => arrivals.has(id));
  });
  const { missing, repeated } = judge(reader.look(), load.acknowledged, load.uncertain);
  expect({ missing, repeated }).toEqual({ missing: 0, repeated: 0 });
}, 200_000);
