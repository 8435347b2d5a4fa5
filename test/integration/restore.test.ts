import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeS3 } from '../kit/s3/fake-s3.ts';
import { FolderReader } from '../kit/system/arrivals.ts';
import { createJob, ingest } from '../kit/system/client.ts';
import { runCommand, type CommandResult } from '../kit/system/command.ts';
import { item } from '../kit/system/load.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: what retention has removed from the audit log comes back from the objects of a job as it was. Method: the real
 * program with embedded stores; the answers of the query API before and after are compared.
 */
const EVENTS = 2500;
const ACCOUNT = 'acme';
const DAY_MS = 86_400_000;
/** Expired under a retention of a month, and not under the default. */
const TIME_MS = Date.now() - 100 * DAY_MS;
const folder = mkdtempSync(join(tmpdir(), 'trailpush-restore-'));
const files = join(folder, 'out', 'files');
const ids = Array.from({ length: EVENTS }, () => randomUUID());
let program: Program;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({ command: 'up', dataFolder: folder });
  await createJob(program.url, ACCOUNT, {
    ...{ name: 'archive', destination_conf: 'file://files', max_upload_interval_seconds: 1 },
  });
  await ingest(
    program.url,
    ids.map((id, index) => {
      const event = JSON.parse(item(ACCOUNT, id)) as { action: object };
      const time = new Date(TIME_MS + index * 1000).toISOString().replace('Z', '789Z');
      return JSON.stringify({ ...event, action: { ...event.action, time } });
    }),
  );
  const reader = new FolderReader(files);
  await eventually('the job has delivered everything', 60_000, () => {
    const arrivals = reader.look();
    return ids.every((id) => arrivals.has(id));
  });
  await eventually('everything is indexed', 60_000, async () => (await old()).length === EVENTS);
}, 180_000);

afterAll(async () => {
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

function trailpush(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { TRAILPUSH_DATA: folder, TRAILPUSH_ADMIN_TOKEN: ADMIN_TOKEN });
}

/** All pages of the account's items in this range. */
async function items(sinceMs: number, beforeMs: number): Promise<unknown[]> {
  const found: unknown[] = [];
  let cursor = '';
  do {
    const query = new URLSearchParams({
      ...{ since: new Date(sinceMs).toISOString(), before: new Date(beforeMs).toISOString() },
      ...{ limit: '1000', direction: 'asc' },
      ...(cursor === '' ? {} : { cursor }),
    });
    const url = `${program.url}/client/v4/accounts/${ACCOUNT}/logs/audit?${query.toString()}`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
    const page = (await answer.json()) as {
      result: unknown[] | null;
      result_info: { cursor?: string | null };
    };
    found.push(...(page.result ?? []));
    cursor = page.result_info.cursor ?? '';
  } while (cursor !== '');
  return found;
}

/** The same objects, from S3. */
async function restoreFromBucket(): Promise<CommandResult> {
  const s3 = await FakeS3.start();
  const bucket = s3.createBucket('archive');
  for (const name of readdirSync(files).filter((of) => of.endsWith('.log.gz'))) {
    const body = readFileSync(join(files, name));
    const facts = { etag: '"e"', contentType: '', contentEncoding: '', headers: {} };
    bucket.set(`logs/${name}`, { body, ...facts, modifiedMs: Date.now() });
  }
  const secret = encodeURIComponent(s3.secretAccessKey);
  const keys = `access-key-id=${s3.accessKeyId}&secret-access-key=${secret}`;
  const from = `s3://archive/logs/{DATE}?region=us-east-1&endpoint=${s3.endpoint}&${keys}`;
  const result = await runCommand(['restore', from, '--account', ACCOUNT], {
    TRAILPUSH_DATA: folder,
    TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS: '127.0.0.0/8',
  });
  await s3.stop();
  return result;
}

const old = () => items(TIME_MS - DAY_MS, TIME_MS + DAY_MS);
const recent = () => items(Date.now() - DAY_MS, Date.now() + DAY_MS);

describe('an audit log that retention has removed', () => {
  let before: unknown[];

  it('is gone from the API, and says so in an event of the account', async () => {
    before = await old();
    const set = await trailpush('audit', 'retention', 'set', ACCOUNT, '1');
    expect(set).toMatchObject({ exitCode: 0, stdout: `account ${ACCOUNT}  1 months\n` });
    await trailpush('audit', 'hold', 'set', ACCOUNT, '--reason', 'case 7', '--by', 'ann');
    const { stdout } = await trailpush('audit', 'retention', 'show');
    expect(stdout).toMatch(
      /^default {2}for ever\naccount acme {2}1 months {2}held since .* by ann/,
    );
    await trailpush('audit', 'hold', 'release', ACCOUNT, '--reason', 'closed');
    // Retention looks when the program starts.
    await program.terminate();
    await program.start();
    await eventually('it is gone', 30_000, async () => (await old()).length === 0);
    const drops = async () =>
      (await recent())
        .map((of) => of as { action: { type: string }; resource: Record<string, unknown> })
        .filter(({ action }) => action.type === 'delete');
    await eventually('the event is there', 30_000, async () => (await drops()).length > 0);
    expect(await drops()).toMatchObject([
      {
        actor: { type: 'system' },
        resource: {
          ...{ product: 'audit_logs', type: 'retention' },
          value: { events: EVENTS, retention_months: 1, rule: 'account' },
        },
      },
    ]);
  }, 120_000);

  it('comes back from the objects as it was, once', async () => {
    await program.terminate();
    const dry = await trailpush('restore', files, '--dry-run');
    expect(dry.stdout).toContain('events would be restored unless known, 0 left out, 0 bad');
    const range = ['--before', new Date(TIME_MS + DAY_MS).toISOString(), '--keep-until', '1d'];
    const first = await trailpush('restore', files, ...range);
    expect(first).toMatchObject({ exitCode: 0, stderr: '' });
    expect(first.stdout).toMatch(`${EVENTS} events restored, 0 known, `);
    const again = await restoreFromBucket();
    // Those of this day: what the job itself and the rules made.
    expect(again.stdout).toMatch(/^0 events restored, 25\d\d known, 0 left out, 0 bad/);
    await program.start();
    expect(await old()).toEqual(before);
  }, 120_000);

  it('is not restored from what cannot be read', async () => {
    const [running, missing, http, time] = await Promise.all([
      trailpush('restore', files),
      trailpush('restore', join(folder, 'nothing')),
      trailpush('restore', 'https://example.com/x'),
      trailpush('restore', files, '--since', 'yesterday'),
    ]);
    expect(running.exitCode).toBe(2);
    expect(running.stderr).toContain('is in use by another process');
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr).toContain('there is no folder');
    expect(http.stderr).toContain('cannot be read again: restore from s3://, r2:// or a folder');
    expect(time.stderr).toContain('--since must be a date or a time');
  }, 60_000);
});
