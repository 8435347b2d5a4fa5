import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@trailpush/runtime';
import { planOf, specOf } from '@trailpush/test/kit/contracts/stores/suite.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { eventually } from '@trailpush/test/kit/system/program.ts';
import { expect, it, onTestFinished } from 'vitest';
import { openSqliteStores } from './stores.ts';

const DAY_MS = 86_400_000;

it('forgets old ledger entries and ended replays, and neither plans nor what is newer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-ledger-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const common = { file: join(folder, 'state.db'), secretKey: randomBytes(32) };
  const { logger } = createRecordingLogger();
  let nowMs = systemClock.now();
  const clock = { ...systemClock, now: () => nowMs };
  clock.sleep = (ms, signal) => systemClock.sleep(ms, signal);
  clock.every = (ms, tick) => systemClock.every(ms, tick);
  clock.monotonic = () => systemClock.monotonic();
  const before = await openSqliteStores({ ...common, clock, logger });
  const job = await before.jobs.create('acme', specOf(), undefined);
  const claimed = await before.progress.claim({
    ...{ topic: 't', partition: 0, owner: 'a', heldEpoch: undefined, logStart: 0 },
  });
  const order = { topic: 't', ranges: [], maxRecordsPerSecond: null, location: 's3://b' };
  await before.replays.start('acme', job.id, { ...order, destinationConf: undefined });
  const confirm = async (first: number, confirmedAtMs: number) => {
    await before.progress.insertPlan(claimed, planOf(job, first, first));
    await before.progress.confirmPlan(claimed, { jobId: job.id, first, confirmedAtMs });
  };
  for (let first = 0; first < 3; first++) await confirm(first, nowMs);
  await confirm(3, nowMs + 9 * DAY_MS);
  await before.progress.insertPlan(claimed, planOf(job, 4, 4));
  await before.close();

  nowMs += 10 * DAY_MS;
  const after = await openSqliteStores({ ...common, clock, logger, ledgerMaxAgeMs: 5 * DAY_MS });
  onTestFinished(() => after.close());
  await eventually('the old entries are gone', 10_000, async () => {
    return (await after.progress.listLedger(job.id)).length === 1;
  });
  expect(await after.progress.listLedger(job.id)).toMatchObject([{ first: 3 }]);
  expect((await after.progress.loadJob(claimed, job.id)).plans).toMatchObject([{ first: 4 }]);
  expect(await after.replays.list('acme', job.id, 9)).toEqual([]);
});

it('keeps what no digest names yet, where digests are made', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-ledger-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const common = { file: join(folder, 'state.db'), secretKey: randomBytes(32) };
  const { logger } = createRecordingLogger();
  const [clock, dayMs] = [systemClock, DAY_MS];
  const before = await openSqliteStores({ ...common, clock, logger });
  const [named, other] = [0, 1].map(() => before.jobs.create('acme', specOf(), undefined));
  const claimed = await before.progress.claim({
    ...{ topic: 't', partition: 0, owner: 'a', heldEpoch: undefined, logStart: 0 },
  });
  for (const job of [await named!, await other!]) {
    await before.progress.insertPlan(claimed, planOf(job, 0, 0));
    await before.progress.confirmPlan(claimed, { jobId: job.id, first: 0, confirmedAtMs: 1 });
  }
  const nowMs = clock.now();
  await before.digests.takeDue({ nowMs, limit: 9, leaseMs: 1, firstAfterMs: () => 0 });
  await before.digests.next((await named!).id, {
    ...{ nowMs, place: undefined, isKept: false, maxRows: 9 },
    build: () => ({ body: Buffer.from(''), hash: '', signature: '' }),
  });
  await before.close();

  const options = { ledgerMaxAgeMs: dayMs, makesDigests: true };
  const after = await openSqliteStores({ ...common, ...options, clock, logger });
  onTestFinished(() => after.close());
  await eventually('the entry that a digest names is gone', 10_000, async () => {
    return (await after.progress.listLedger((await named!).id)).length === 0;
  });
  expect(await after.progress.listLedger((await other!).id)).toMatchObject([{ first: 0 }]);
});
