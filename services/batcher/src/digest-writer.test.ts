import { once } from 'node:events';
import type { AttemptResult, StoredDigest } from '@trailpush/core';
import { digestBuilder } from '@trailpush/destinations';
import { createMetrics } from '@trailpush/runtime';
import { DigestStores } from '@trailpush/test/kit/digest-stores.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DigestWriter } from './digest-writer.ts';

const HOUR_MS = 3_600_000;
const DELIVERED: AttemptResult = { verdict: { kind: 'delivered' } };
const FAILED: AttemptResult = { verdict: { kind: 'retry' }, message: 'it is down' };

let world: DigestStores;
let puts: StoredDigest[];
let answer: (digest: StoredDigest, signal: AbortSignal) => AttemptResult | Promise<AttemptResult>;
let metrics: ReturnType<typeof createMetrics>;
let writers: DigestWriter[];
let isStore: boolean;

beforeEach(async () => {
  world = await DigestStores.open();
  puts = [];
  answer = () => DELIVERED;
  metrics = createMetrics();
  writers = [];
  isStore = true;
});
afterEach(async () => {
  await Promise.all(writers.map((writer) => writer.stop()));
  await world.close();
});

function startWriter(): DigestWriter {
  const { stores, clock } = world;
  const writer = new DigestWriter({
    ...{ digests: stores.digests, jobs: stores.jobs, intervalMs: HOUR_MS, clock },
    targetOf: ({ spec }) => ({
      place: { location: spec.destinationConf.reveal(), folder: '' },
      isStore,
      put: async (digest, signal) => {
        puts.push(digest);
        return answer(digest, signal);
      },
    }),
    builderOf: (hasKeys) => digestBuilder({ intervalMs: HOUR_MS, hasKeys }),
    ...{ logger: createRecordingLogger().logger, metrics: metrics.digests, random: () => 0.5 },
  });
  writer.start();
  writers.push(writer);
  return writer;
}

/** Never answers; ends when it is given up. */
function hang(_digest: StoredDigest, signal: AbortSignal): Promise<AttemptResult> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

const putsOf = (jobId: number) => puts.filter((put) => put.jobId === jobId);

async function counted(): Promise<Record<string, number>> {
  const { values } = await metrics.digests.made.get();
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels.result), value]));
}

describe('a destination that takes no digest', () => {
  it('is asked again with growing pauses and the same bytes, and its job is none the worse', async () => {
    const bad = await world.newJob();
    const good = await world.newJob();
    answer = ({ jobId }) => (jobId === bad.id ? FAILED : DELIVERED);
    startWriter();
    await world.pass(HOUR_MS);
    expect(putsOf(good.id).length).toBeGreaterThan(0);
    const before = await world.stores.jobs.get('acme', bad.id);
    expect(before).toEqual(bad);
    await world.deliver(bad);
    // Half of 1, 2, 4, ... minutes, and at most of an hour.
    await world.pass(HOUR_MS);
    const tries = putsOf(bad.id).length;
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(10);
    expect((await counted())['failed']).toBe(tries);
    expect(new Set(putsOf(bad.id).map(({ hash, sequence }) => `${sequence} ${hash}`)).size).toBe(1);
    expect(putsOf(good.id).length).toBe(2);
    answer = () => DELIVERED;
    await world.pass(2 * HOUR_MS);
    expect(
      putsOf(bad.id)
        .slice(tries)
        .map(({ sequence }) => sequence),
    ).toEqual([1, 2, 3]);
  });

  it('is given up when it hangs, while others have theirs', async () => {
    const bad = await world.newJob();
    const good = await world.newJob();
    answer = (digest, signal) => (digest.jobId === bad.id ? hang(digest, signal) : DELIVERED);
    startWriter();
    await world.pass(HOUR_MS + 60_000);
    expect(putsOf(good.id)).toHaveLength(1);
    expect((await counted())['failed']).toBeGreaterThan(0);
    expect(await world.stores.jobs.get('acme', bad.id)).toEqual(bad);
  });
});

describe('several writers', () => {
  it('make one digest of each job', async () => {
    const jobs = [await world.newJob(), await world.newJob(), await world.newJob()];
    startWriter();
    startWriter();
    await world.pass(HOUR_MS);
    for (const { id } of jobs) expect(putsOf(id).map(({ sequence }) => sequence)).toEqual([1]);
  });

  it('finish what another one has begun, with its bytes', async () => {
    const job = await world.newJob();
    await world.deliver(job);
    answer = hang;
    const first = startWriter();
    await world.pass(HOUR_MS);
    await first.stop();
    const begun = puts.at(-1);
    await world.deliver(job);
    answer = () => DELIVERED;
    startWriter();
    await world.pass(HOUR_MS);
    const finished = puts.find((put) => put !== begun && put.sequence === begun?.sequence);
    expect(finished?.body).toEqual(begun?.body);
  });
});

it('works on sixteen at once, and on the next as soon as there is room', async () => {
  for (let n = 0; n < 20; n++) await world.newJob();
  const { clock, stores } = world;
  const request = { nowMs: clock.now(), limit: 1, leaseMs: 1 };
  await stores.digests.takeDue({ ...request, firstAfterMs: () => HOUR_MS });
  let running = 0;
  let most = 0;
  const gate = new AbortController();
  const opened = once(gate.signal, 'abort');
  answer = async () => {
    most = Math.max(most, ++running);
    await opened;
    running--;
    return DELIVERED;
  };
  startWriter();
  await world.pass(HOUR_MS + 120_000);
  await expect.poll(() => puts.length).toBe(16);
  gate.abort();
  await expect.poll(() => puts.length).toBe(20);
  expect(most).toBe(16);
});

it('leaves a digest that was not written in the store, when the job has a receiver now', async () => {
  const job = await world.newJob();
  answer = () => FAILED;
  startWriter();
  await world.deliver(job);
  await world.pass(HOUR_MS);
  isStore = false;
  await world.pass(2 * HOUR_MS);
  const list = await world.stores.digests.list('acme', job.id, { limit: 9 });
  expect(list.map(({ sequence }) => sequence)).toEqual([1]);
  expect((await counted())['kept']).toBe(1);
});
