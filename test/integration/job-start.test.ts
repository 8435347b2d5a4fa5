import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FolderReader, judge } from '../kit/system/arrivals.ts';
import { createJob } from '../kit/system/client.ts';
import { Load } from '../kit/system/load.ts';
import { eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: a new job gets the events from its `start_at` on, old and new, each once, and none from before.
 * Method: the real program with the embedded log; events before the time, after it, and after the creation.
 */
const ACCOUNT = 'acme';
const folder = mkdtempSync(join(tmpdir(), 'trailpush-start-'));
let program: Program;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({ command: 'up', dataFolder: folder });
}, 60_000);

afterAll(async () => {
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

it('gives a new job the events since start_at, each once', { timeout: 60_000 }, async () => {
  const before = new Load([program.url], ACCOUNT);
  await before.send(1000);
  const sentMs = Date.now();
  await expect.poll(() => Date.now()).toBeGreaterThan(sentMs);
  const start_at = new Date().toISOString();
  const owed = new Load([program.url], ACCOUNT);
  await owed.send(1000);
  await createJob(program.url, ACCOUNT, {
    ...{ name: 'late', destination_conf: 'file://files', max_upload_interval_seconds: 1 },
    start_at,
  });
  await owed.send(2000);
  const reader = new FolderReader(join(folder, 'out', 'files'));
  await eventually('all that is owed was delivered', 30_000, () => {
    const arrivals = reader.look();
    return [...owed.acknowledged].every((id) => arrivals.has(id));
  });
  // What came before is foreign to this job, and would be counted as that.
  const faults = judge(reader.look(), owed.acknowledged, owed.uncertain);
  expect(faults).toEqual({ missing: 0, repeated: 0, foreign: 0 });
});
