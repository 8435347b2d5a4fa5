import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FolderReader, judge } from '../kit/system/arrivals.ts';
import { createJob } from '../kit/system/client.ts';
import { runCommand, type CommandResult } from '../kit/system/command.ts';
import { Load } from '../kit/system/load.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: a replay that is interrupted by SIGKILL ends up complete in its own folder, once, and changes
 * nothing in the job's. Method: the real program with the embedded log, `trailpush replay` to steer it.
 */
const EVENTS = 10_000;
const KILLS = 3;
const ACCOUNT = 'acme';
const folder = mkdtempSync(join(tmpdir(), 'trailpush-replay-'));
const files = join(folder, 'out', 'files');
let program: Program;
let load: Load;
let jobId: number;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({ command: 'up', dataFolder: folder });
  load = new Load([program.url], ACCOUNT);
  jobId = await createJob(program.url, ACCOUNT, {
    ...{ name: 'archive', destination_conf: 'file://files', max_upload_interval_seconds: 1 },
  });
  await load.send(EVENTS);
  const reader = new FolderReader(files);
  await eventually('the job has delivered everything', 60_000, () => {
    const arrivals = reader.look();
    return [...load.acknowledged].every((id) => arrivals.has(id));
  });
}, 120_000);

afterAll(async () => {
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

function trailpush(...args: string[]): Promise<CommandResult> {
  const environment = { TRAILPUSH_DATA: folder, TRAILPUSH_ADMIN_TOKEN: ADMIN_TOKEN };
  return runCommand([...args, '--account', ACCOUNT], environment);
}

function judged(path: string) {
  return judge(new FolderReader(path).look(), load.acknowledged, load.uncertain);
}

/** What was sent, and the creation of the job, which is an event of its account too. */
const inLog = () => load.acknowledged.size + 1;

const SINCE = ['--since', '2020-01-01T00:00:00Z'];
const FAULTLESS = { missing: 0, repeated: 0, foreign: 0 };

describe('trailpush replay', () => {
  it('counts what it would deliver', async () => {
    const { exitCode, stdout } = await trailpush('replay', String(jobId), ...SINCE, '--dry-run');
    expect(stdout).toBe(
      `a replay would deliver ${inLog()} events; ${inLog()} records of the log were examined\n`,
    );
    expect(exitCode).toBe(0);
  });

  it('delivers everything once more, once, through kills', { timeout: 120_000 }, async () => {
    const before = readdirSync(files).toSorted();
    const pace = ['--max-records-per-second', String(EVENTS / 10)];
    const started = await trailpush('replay', String(jobId), ...SINCE, ...pace);
    const [, id] = /^replay (\d+) to files?.*: running/.exec(started.stdout) ?? [];
    expect({ id, ...started }).toMatchObject({ id: expect.any(String) as string, exitCode: 0 });
    const own = join(files, `replay-${id}`);
    for (let kill = 0; kill < KILLS; kill++) {
      const seen = existsSync(own) ? readdirSync(own).length : 0;
      await eventually('another object of the replay has come', 30_000, () => {
        return existsSync(own) && readdirSync(own).length > seen;
      });
      await program.kill();
      await program.start();
    }
    const show = () => trailpush('replay', 'show', String(jobId), String(id));
    await eventually('the replay is completed', 60_000, async () =>
      (await show()).stdout.includes('completed, 100.0 %'),
    );
    // A kill may leave the beginning of a file behind, under another name.
    const objects = readdirSync(own).filter((name) => name.endsWith('.log.gz'));
    expect((await show()).stdout).toContain(`${inLog()} events in ${objects.length} objects`);
    expect(judged(own)).toEqual(FAULTLESS);
    const now = readdirSync(files);
    expect(now.filter((name) => before.includes(name)).toSorted()).toEqual(before);
    // The job goes on meanwhile: its account is told of the replay.
    const added = now.filter((name) => name.endsWith('.log.gz') && !before.includes(name));
    for (const name of added) {
      const line = gunzipSync(readFileSync(join(files, name))).toString();
      expect(JSON.parse(line)).toMatchObject({ ResourceType: 'replay', ResourceID: id });
    }
  });

  it('can be cancelled, listed and waited for', { timeout: 60_000 }, async () => {
    const slow = ['--max-records-per-second', '1'];
    const started = await trailpush('replay', String(jobId), ...SINCE, ...slow);
    const [, id] = /^replay (\d+)/.exec(started.stdout) ?? [];
    const cancelled = await trailpush('replay', 'cancel', String(jobId), String(id));
    expect(cancelled.stdout).toContain('cancelled');
    const other = ['--destination', 'file://elsewhere', '--wait'];
    const waited = await trailpush('replay', String(jobId), ...SINCE, ...other);
    expect(waited.exitCode).toBe(0);
    const [, last] = /^replay (\d+)/.exec(waited.stdout) ?? [];
    expect(judged(join(folder, 'out', 'elsewhere', `replay-${last}`))).toEqual(FAULTLESS);
    const { stdout } = await trailpush('replay', 'list', String(jobId));
    expect(stdout.split('\n').map((text) => text.split(' ').slice(0, 2).join(' '))).toEqual([
      `replay ${last}`,
      `replay ${id}`,
      expect.stringMatching(/^replay \d+$/),
      '',
    ]);
  });

  it('says in one line what is wrong', async () => {
    const unknown = await trailpush('replay', '999', ...SINCE);
    expect([unknown.exitCode, unknown.stderr]).toEqual([1, 'trailpush: job not found\n']);
    const nothing = await trailpush('replay', String(jobId));
    expect(nothing.stderr).toMatch(/^trailpush: since must be given, or else offsets/);
    const away = await trailpush('replay', '1', ...SINCE, '--url', 'http://127.0.0.1:9');
    expect([away.exitCode, away.stderr]).toEqual([
      2,
      expect.stringMatching(
        /^trailpush: no trailpush API answers at http:\/\/127.0.0.1:9 .*--url\n$/,
      ),
    ]);
  });
});
