import {
  appendFileSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { DigestSigner } from '@trailpush/core';
import { openEvidenceSource, type VerifyingKeys } from '@trailpush/destinations';
import { BEGIN_MS, DigestWorld, HOUR_MS, makeSigner } from '@trailpush/test/kit/digest-world.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { verifyPlace, type VerifyOptions } from './verify.ts';

let world: DigestWorld;
beforeEach(() => {
  world = new DigestWorld();
  onTestFinished(() => world.remove());
});

const keysOf = (
  signer: ReturnType<typeof makeSigner>,
  retiredAtMs: number | null = null,
): VerifyingKeys => new Map([[signer.keyId, { key: signer.publicKey, retiredAtMs }]]);

async function verify(changes: Partial<VerifyOptions> & { place?: string } = {}) {
  const { place = world.root, ...options } = changes;
  const { logger } = createRecordingLogger();
  const policy = { allowPrivate: [], fileRoot: undefined };
  const source = await openEvidenceSource(place, { policy, logger });
  const report = await verifyPlace({
    ...{ source, keys: keysOf(world.signer), untilMs: BEGIN_MS + 3 * HOUR_MS },
    ...{ isUntilGiven: false, sinceMs: -Infinity, jobIds: [], onProgress: () => undefined },
    ...options,
  });
  return { report, findings: report.findings.map(({ kind, name }) => `${kind} ${name}`) };
}

/** Three hours: two objects, none, one. */
function threeHours() {
  const [one, two] = [world.object(), world.object(5)];
  const first = world.digest([one, two]);
  const second = world.digest([]);
  const three = world.object();
  const third = world.digest([three]);
  return { one, two, three, first, second, third };
}

describe('a place with digests', () => {
  it('is proven when nothing was touched', async () => {
    threeHours();
    world.write('logs/_trailpush/test.txt.gz', gzipSync('{"content":"tests"}'));
    const { report, findings } = await verify();
    expect(findings).toEqual([]);
    expect(report).toMatchObject({ isProven: true, objects: 3, records: 11, pendingCount: 0 });
    expect(report.chains).toEqual([
      {
        ...{ jobId: 7, accountId: 'acme', folder: 'logs', digests: 3, state: 'enabled' },
        ...{ from: '2026-01-01T00:00:00.000Z', to: '2026-01-01T03:00:00.000Z' },
        ...{ gaps: 0, deadLetters: 0 },
      },
    ]);
  });

  it('is proven as a copy of the folder alone', async () => {
    threeHours();
    const { report } = await verify({ place: world.path('logs') });
    expect(report).toMatchObject({ isProven: true, objects: 3 });
  });

  it('has pending objects when they are newer, or were planned at the end', async () => {
    const { three } = threeHours();
    const planned = world.object();
    const old = new Date(BEGIN_MS);
    utimesSync(world.path(planned.key), old, old);
    world.digest([], { openPlans: [planned] });
    const late = world.object();
    const { report } = await verify();
    expect(report.isProven).toBe(true);
    expect(report.pending.toSorted()).toEqual([planned.key, late.key].toSorted());
    expect(report.pending).not.toContain(three.key);
  });
});

describe('tampering is named:', () => {
  it('an object that was deleted', async () => {
    const { two } = threeHours();
    rmSync(world.path(two.key));
    expect((await verify()).findings).toEqual([`missing ${two.key}`]);
  });

  it.each([
    ['a changed line', (old: Buffer) => gzipSync(gunzipSync(old).toString().replace('1', '2'))],
    ['a line less', (old: Buffer) => gzipSync(gunzipSync(old).subarray(12))],
    ['a line more', (old: Buffer) => Buffer.concat([old, gzipSync('{"line":0}\n')])],
    ['bytes behind its end', (old: Buffer) => Buffer.concat([old, Buffer.from('junk')])],
    ['a cut', (old: Buffer) => old.subarray(0, old.length - 5)],
    ['something else', () => Buffer.from('hello')],
    ['a bomb', () => gzipSync(Buffer.alloc(50_000_000))],
    ['nothing', () => Buffer.alloc(0)],
  ])('an object that holds %s', async (_, change) => {
    const { two } = threeHours();
    const path = world.path(two.key);
    writeFileSync(path, change(readFileSync(path)));
    expect((await verify()).findings).toEqual([`changed ${two.key}`]);
  });

  it('an object that is a link now', async () => {
    const { one, two } = threeHours();
    rmSync(world.path(two.key));
    symlinkSync(world.path(one.key), world.path(two.key));
    expect((await verify()).findings).toEqual([`missing ${two.key}`]);
  });

  it('an object that nobody delivered', async () => {
    threeHours();
    const key = 'logs/20260101/forged.log.gz';
    world.write(key, gzipSync('{}\n'));
    const then = new Date(BEGIN_MS + HOUR_MS);
    utimesSync(world.path(key), then, then);
    expect((await verify()).findings).toEqual([`foreign ${key}`]);
  });

  it('a digest that was deleted, with the time that it covered', async () => {
    const { second, third } = threeHours();
    rmSync(world.path(second));
    const { report, findings } = await verify();
    expect(findings).toEqual([`chain_broken ${third}`]);
    expect(report.findings[0]?.message).toBe(
      'digest 2 is missing before it, of the time from 2026-01-01T01:00:00.000Z to 2026-01-01T02:00:00.000Z',
    );
  });

  it('the first digest and its objects, deleted together', async () => {
    const { one, two, first, second } = threeHours();
    for (const key of [one.key, two.key, first]) rmSync(world.path(key));
    expect((await verify()).findings).toEqual([`chain_broken ${second}`]);
  });

  it('a digest that was changed', async () => {
    const { first } = threeHours();
    const path = world.path(first);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"records":3', '"records":4'));
    const { findings } = await verify();
    expect(findings).toContain(`unsigned ${first}`);
    // What it named is proven by nothing now.
    expect(findings.filter((finding) => finding.startsWith('chain_broken'))).toEqual([]);
  });

  it('a digest under the name of another', async () => {
    const { first, second } = threeHours();
    writeFileSync(world.path(second), readFileSync(world.path(first)));
    const { report, findings } = await verify();
    expect(findings).toEqual([`unsigned ${second}`]);
    expect(report.findings[0]?.message).toMatch(/digest 1 of job 7 under another name/);
  });

  it('a second digest with the same number', async () => {
    const { second } = threeHours();
    const copy = second.replace(/_\d{8}T/, '_20260102T');
    writeFileSync(world.path(copy), readFileSync(world.path(second)));
    expect((await verify()).findings).toEqual([`chain_broken ${copy}`]);
  });

  it('a digest without a signature', async () => {
    const { third } = threeHours();
    const path = world.path(third);
    writeFileSync(path, `${readFileSync(path, 'utf8').split('\n')[0] ?? ''}\n`);
    expect((await verify()).findings).toContain(`unsigned ${third}`);
  });

  it('a chain that goes on with an unknown key', async () => {
    const good: DigestSigner & { publicKey: unknown } = world.signer;
    const keys = keysOf(world.signer);
    threeHours();
    world.signer = makeSigner();
    const forged = world.digest([]);
    expect(good.keyId).not.toBe(world.signer.keyId);
    const { report, findings } = await verify({ keys });
    expect(findings).toEqual([`unsigned ${forged}`]);
    expect(report.findings[0]?.message).toContain('not among those given');
  });

  it('a digest signed with a key after it was retired', async () => {
    const { third } = threeHours();
    const keys = keysOf(world.signer, BEGIN_MS + HOUR_MS);
    expect((await verify({ keys })).findings).toContain(`unsigned ${third}`);
  });

  it('two histories that were joined', async () => {
    threeHours();
    const forked = world.digest([], { previous: { hash: 'ab', signature: 'cd' } });
    expect((await verify()).findings).toEqual([`chain_broken ${forked}`]);
  });

  it('a tail that was cut off, but not of a job that was disabled', async () => {
    threeHours();
    const untilMs = BEGIN_MS + 5 * HOUR_MS;
    expect((await verify({ untilMs })).findings).toEqual([]);
    const later = { untilMs: untilMs + 1 };
    expect((await verify(later)).findings).toEqual(['cut_off logs/_trailpush/digests/7/']);
    world.digest([], { state: 'disabled' });
    const muchLater = { untilMs: BEGIN_MS + 99 * HOUR_MS };
    expect((await verify(muchLater)).findings).toEqual([]);
    const given = { ...muchLater, isUntilGiven: true };
    expect((await verify(given)).findings).toEqual(['cut_off logs/_trailpush/digests/7/']);
  });

  it('everything of a job, where it is known that it must be there', async () => {
    threeHours();
    expect((await verify({ jobIds: [7] })).findings).toEqual([]);
    const { report } = await verify({ jobIds: [7, 8] });
    expect(report.findings).toMatchObject([{ message: 'there is no digest of job 8' }]);
    rmSync(world.path('logs'), { recursive: true });
    expect((await verify()).findings).toEqual(['no_digests ']);
  });
});

describe('verification', () => {
  it('knows that a job that moved has written digests elsewhere', async () => {
    const here = { location: 's3://bucket', folder: 'logs' };
    const there = { location: 's3://other', folder: 'logs' };
    const places = [{ since: 1, ...here }];
    const first = world.digest([world.object()], { places });
    const moved = [...places, { since: 2, ...there }];
    rmSync(world.path(world.digest([], { places: moved })));
    const back = [...moved, { since: 3, ...here }];
    const elsewhere = { ...world.object(), location: 's3://other' };
    rmSync(world.path(elsewhere.key));
    const third = world.digest([elsewhere], { places: back });
    const { report, findings } = await verify();
    expect(findings).toEqual([]);
    expect(report.elsewhere).toBe(1);
    // One that was here is missed all the same.
    rmSync(world.path(first));
    expect((await verify()).findings).toContain(`chain_broken ${third}`);
  });

  it('finds objects that a job wrote before its path was changed in the bucket', async () => {
    const before = world.object();
    const places = [
      { since: 1, location: 's3://bucket', folder: 'old' },
      { since: 2, location: 's3://bucket', folder: 'logs' },
    ];
    world.digest([], { places: places.slice(0, 1) });
    const old = { ...before, key: 'old/x.log.gz' };
    world.write(old.key, readFileSync(world.path(before.key)));
    rmSync(world.path(before.key));
    rmSync(world.path('logs/_trailpush'), { recursive: true });
    world.digest([old], { places });
    expect((await verify()).report).toMatchObject({ isProven: true, objects: 1, elsewhere: 0 });
    const inside = await verify({ place: world.path('logs') });
    expect(inside.report).toMatchObject({ isProven: true, objects: 0, elsewhere: 1 });
  });

  it('of a part of the time looks at nothing before', async () => {
    const { one } = threeHours();
    const old = new Date(BEGIN_MS);
    utimesSync(world.path(one.key), old, old);
    appendFileSync(world.path(one.key), gzipSync('more'));
    expect((await verify()).findings).toEqual([`changed ${one.key}`]);
    const { report, findings } = await verify({ sinceMs: BEGIN_MS + 1.5 * HOUR_MS });
    // Its other object of the first hour is too new for a foreign one.
    expect(findings).toEqual([]);
    expect(report.objects).toBe(1);
  });

  it('keeps the chains of several jobs in one folder apart', async () => {
    threeHours();
    const other = new DigestWorld({ jobId: 8 });
    onTestFinished(() => other.remove());
    other.signer = world.signer;
    const object = other.object();
    const digest = other.digest([object]);
    for (const key of [object.key, digest]) world.write(key, readFileSync(other.path(key)));
    const { report } = await verify();
    expect(report).toMatchObject({ isProven: true, objects: 4 });
    expect(report.chains.map(({ jobId }) => jobId).toSorted()).toEqual([7, 8]);
  });
});
