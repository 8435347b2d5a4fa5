import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FolderReader } from '../kit/system/arrivals.ts';
import { createJob, ingest } from '../kit/system/client.ts';
import { runCommand } from '../kit/system/command.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: a log that was made anew stops its partitions, until an operator who was shown what is there accepts
 * it; then new events are delivered beside the old ones. Method: the real program, whose log is removed.
 */
const folder = mkdtempSync(join(tmpdir(), 'trailpush-topic-'));
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

const topic = (command: string) =>
  runCommand(['topic', command], { TRAILPUSH_DATA: folder, TRAILPUSH_ADMIN_TOKEN: ADMIN_TOKEN });

async function deliver(from: number, to: number): Promise<void> {
  const lines: string[] = [];
  for (let id = from; id < to; id++) lines.push(`{"account":{"id":"acme"},"id":"event-${id}"}`);
  expect(await ingest(program.url, lines)).toBe(true);
  await eventually('the events are delivered', 60_000, () => {
    const arrivals = reader.look();
    return lines.every((_, index) => arrivals.has(`event-${from + index}`));
  });
}

it(
  'is stopped when it was made anew, shown by check, and goes on after accept',
  { timeout: 180_000 },
  async () => {
    await createJob(program.url, 'acme', {
      ...{ name: 'files', destination_conf: 'file://files', max_upload_interval_seconds: 1 },
    });
    await deliver(0, 20);
    await program.terminate();
    const well = await topic('check');
    expect([well.exitCode, well.stdout]).toEqual([0, expect.stringContaining('as it was')]);

    for (const name of readdirSync(folder)) {
      if (name.startsWith('log.db')) rmSync(join(folder, name));
    }
    program.launch();
    await eventually('it says that the partition is stopped', 60_000, async () => {
      const answer = await fetch(`${program.url}/readyz`).catch(() => undefined);
      return (
        (await answer?.text())?.includes('start it anew with `trailpush topic accept`') ?? false
      );
    });
    await program.terminate();
    const bad = await topic('check');
    expect([bad.exitCode, bad.stdout]).toEqual([
      1,
      expect.stringMatching(/the log ends at 0, and offset \d+ was read before/),
    ]);
    const accepted = await topic('accept');
    expect(accepted.stdout).toMatch(/accepted: incarnation 2; starting anew: \d from 0; 0 gaps/);
    expect(accepted.exitCode).toBe(0);
    expect((await topic('accept')).stdout).toContain('nothing to accept');

    await program.start();
    await deliver(20, 50);
    expect([...reader.look()].filter(([, count]) => count !== 1)).toEqual([]);
    expect([...reader.look().keys()].filter((id) => id.startsWith('event-'))).toHaveLength(50);
  },
);
