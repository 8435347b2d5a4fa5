import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { s3ClientFor, startS3 } from '../kit/s3/index.ts';
import { FolderReader, judge } from '../kit/system/arrivals.ts';
import { createJob } from '../kit/system/client.ts';
import { runCommand, type CommandResult } from '../kit/system/command.ts';
import {
  bucketPlace,
  confOf,
  folderPlace,
  type EvidencePlace,
} from '../kit/system/evidence-place.ts';
import { Load } from '../kit/system/load.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: what the program delivers is proven by the digests that it writes beside it, through kills and new keys, and
 * whatever somebody changes by hand is named. Method: the real program and the real command; copies are tampered with.
 */
const ACCOUNT = 'acme';
const BUCKET = `digests-${randomUUID()}`;
const WITHIN_MS = 30_000;
const INTERVAL_MS = 1000;
const folder = mkdtempSync(join(tmpdir(), 'trailpush-digests-'));
const files = join(folder, 'out', 'files');
const started = await startS3();
const s3 = 'unavailable' in started ? undefined : { ...started, client: s3ClientFor(started) };
const places = new Map<string, EvidencePlace>([['folder', folderPlace(files, onTestFinished)]]);
if (s3) places.set('bucket', bucketPlace(s3, BUCKET, 'logs'));
else if ('unavailable' in started) it.skip(`S3: ${started.unavailable}`);
const kinds = [...places.keys()];
let program: Program;

interface DigestFile {
  readonly sequence: number;
  readonly to: string;
  readonly key_id: string;
  readonly places: readonly { readonly folder: string }[];
  readonly objects: readonly { readonly name: string; readonly records: number }[];
}

interface Verdict {
  readonly proven: boolean;
  readonly objects: number;
  readonly records: number;
  readonly pending: readonly string[];
  readonly findings: readonly { kind: string; name: string; message: string }[];
}

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({
    ...{ command: 'up', dataFolder: folder },
    environment: { TRAILPUSH_DIGEST_SECONDS: String(INTERVAL_MS / 1000) },
  });
  await s3?.createBucket(BUCKET);
  const limits = { max_upload_interval_seconds: 1, max_upload_records: 200 };
  await createJob(program.url, ACCOUNT, {
    ...{ name: 'folder', destination_conf: 'file://files', ...limits },
  });
  if (s3) {
    const destination_conf = confOf(s3, `${BUCKET}/logs`);
    await createJob(program.url, ACCOUNT, { name: 'bucket', destination_conf, ...limits });
  }
}, 120_000);

afterAll(async () => {
  s3?.client.destroy();
  // First, as there is no program when it could not start.
  await s3?.stop();
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

const placeOf = (kind: string): EvidencePlace => places.get(kind)!;
const isDigest = (key: string): boolean => key.startsWith('_trailpush/digests/');
const isObject = (key: string): boolean => key.endsWith('.log.gz');

function trailpush(...args: string[]): Promise<CommandResult> {
  return runCommand(args, {
    ...{ TRAILPUSH_DATA: folder, TRAILPUSH_ADMIN_TOKEN: ADMIN_TOKEN },
    TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS: '127.0.0.0/8',
  });
}

async function verify(
  place: EvidencePlace,
  ...args: string[]
): Promise<{ exitCode: number | null; verdict: Verdict }> {
  const options = ['--keys-from', program.url, '--json', ...args];
  const { exitCode, stdout, stderr } = await trailpush('verify', place.name, ...options);
  expect(stderr).toBe('');
  return { exitCode, verdict: JSON.parse(stdout) as Verdict };
}

async function digestsOf(place: EvidencePlace): Promise<readonly DigestFile[]> {
  const keys = (await place.keys()).filter(isDigest).toSorted();
  return Promise.all(
    keys.map(async (key) => {
      const [line = ''] = (await place.read(key)).toString().split('\n');
      return JSON.parse(line) as DigestFile;
    }),
  );
}

/** Keys of objects, as often as digests name them. */
async function namedIn(place: EvidencePlace): Promise<readonly string[]> {
  const digests = await digestsOf(place);
  return digests.flatMap(({ objects, places: stays }) => {
    const folder = stays.at(-1)?.folder ?? '';
    return objects.map(({ name }) => (folder === '' ? name : name.slice(folder.length + 1)));
  });
}

/** Waits until everything of this load lies in all places, and digests name all that lies there. */
async function delivered(load: Load): Promise<void> {
  const reader = new FolderReader(files);
  await eventually('everything is delivered', WITHIN_MS, () => {
    const { missing } = judge(reader.look(), load.acknowledged, load.uncertain);
    return missing === 0;
  });
  for (const kind of kinds) {
    await eventually(`digests name all of the ${kind}`, WITHIN_MS, async () => {
      const objects = (await placeOf(kind).keys()).filter(isObject);
      const named = new Set(await namedIn(placeOf(kind)));
      return objects.length > 0 && objects.every((key) => named.has(key));
    });
  }
}

describe('what the program delivers', () => {
  it('is proven by digests that lie beside it', async () => {
    const load = new Load([program.url], ACCOUNT);
    await load.send(1000);
    await delivered(load);
    for (const kind of kinds) {
      const { exitCode, verdict } = await verify(placeOf(kind));
      expect(verdict.findings).toEqual([]);
      expect(exitCode).toBe(0);
      expect(verdict.records).toBeGreaterThanOrEqual(load.acknowledged.size);
    }
  }, 180_000);

  it('is proven through kills of the program and a new key, each object by one digest', async () => {
    const load = new Load([program.url], ACCOUNT);
    const sending = load.send(4000);
    for (let kills = 1; kills <= 3; kills++) {
      await eventually('events are taken', WITHIN_MS, () => load.acknowledged.size >= kills * 1000);
      await program.kill();
      await program.start();
      if (kills === 2)
        expect(await trailpush('digest-key', 'rotate')).toMatchObject({ exitCode: 0 });
    }
    await sending;
    await delivered(load);
    for (const kind of kinds) {
      const { exitCode, verdict } = await verify(placeOf(kind));
      expect(verdict.findings).toEqual([]);
      expect(exitCode).toBe(0);
      expect(verdict.records).toBeGreaterThanOrEqual(load.acknowledged.size);
      const digests = await digestsOf(placeOf(kind));
      expect(digests.map(({ sequence }) => sequence)).toEqual(digests.map((_, index) => index + 1));
      expect(new Set(digests.map(({ key_id: id }) => id)).size).toBe(2);
      const named = await namedIn(placeOf(kind));
      expect(named.toSorted()).toEqual([...new Set(named)].toSorted());
    }
  }, 240_000);
});

describe.each(kinds)('what was changed by hand in a %s', (kind) => {
  it('is named: an object that was changed, one that is missing, one that nobody delivered', async () => {
    const copy = await placeOf(kind).copy();
    const [changed = '', missing = ''] = (await copy.keys()).filter(isObject);
    const body = await copy.read(changed);
    const middle = Math.floor(body.length / 2);
    body.writeUInt8(body.readUInt8(middle) ^ 1, middle);
    await copy.write(changed, body);
    await copy.remove(missing);
    await copy.write('forged.log.gz', gzipSync('{}\n'));
    const until = (await digestsOf(copy)).at(-1)?.to ?? '';
    const { exitCode, verdict } = await verify(copy, '--until', until);
    expect(exitCode).toBe(1);
    const findings = verdict.findings.map(({ kind: what, name }) => `${what} ${name}`);
    const expected = [`changed ${changed}`, `missing ${missing}`];
    if (kind === 'folder') expected.push('foreign forged.log.gz');
    // A bucket dates it itself: nobody knows yet whether the next digest will name it.
    else expect(verdict.pending).toContain('forged.log.gz');
    expect(findings.toSorted()).toEqual(expected.toSorted());
  }, 120_000);

  it('is named: the newest digest that was taken away', async () => {
    const copy = await placeOf(kind).copy();
    const last = (await digestsOf(copy)).at(-1);
    const until = new Date(Date.parse(last?.to ?? '') + 2 * INTERVAL_MS).toISOString();
    expect((await verify(copy, '--until', until)).exitCode).toBe(0);
    await copy.remove((await copy.keys()).filter(isDigest).toSorted().at(-1) ?? '');
    const { exitCode, verdict } = await verify(copy, '--until', until);
    expect(exitCode).toBe(1);
    expect(verdict.findings).toMatchObject([{ kind: 'cut_off' }]);
  }, 120_000);
});
