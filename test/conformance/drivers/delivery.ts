import { loadConfig } from '@trailpush/runtime';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';
import { expect } from 'vitest';

import { objectName } from '../../../services/batcher/src/object-name.ts';
import type { Driver, Drivers } from '../cases.ts';
import { createJob, JOBS, theApi } from '../logpush-api.ts';

const HOUR_MS = 3_600_000;
const TOPIC = 'audit.events';
const DELETES = '{"where":{"key":"ActionType","operator":"eq","value":"delete"}}';
const RETRY = { verdict: { kind: 'retry' }, message: 'HTTP 503', status: 503 } as const;

/** A batcher among doubles, on virtual time; no rule of its own may be broken in the end. */
function inWorld(run: (world: BatcherWorld) => Promise<void>): Driver {
  return async () => {
    const world = new BatcherWorld();
    try {
      await run(world);
      expect(world.violations()).toEqual([]);
    } finally {
      world.close();
    }
  };
}

/** A day by default; two hours are watched, since a day of virtual time takes seconds. */
const disabling: Driver = async (entry) => {
  expect(loadConfig({}).disableAfterMs).toBe(Number(entry['value']) * HOUR_MS);
  await inWorld(async (world) => {
    const job = world.createJob();
    const isEnabled = () => world.stores.jobs.get(job.id)?.job.spec.enabled;
    await world.start({ disableAfterMs: 2 * HOUR_MS });
    world.places.at('bucket').answer = () => RETRY;
    world.produce('acme', 1);
    await world.advance(HOUR_MS);
    expect(isEnabled()).toBe(true);
    await world.advance(1.5 * HOUR_MS);
    expect(isEnabled()).toBe(false);
  })(entry);
};

/** Tried again until it arrives, or until the log has lost it: then that is said. */
const retries = inWorld(async (world) => {
  const job = world.createJob({ maxUploadRecords: 5 });
  await world.start();
  const place = world.places.at('bucket');
  place.answer = () => RETRY;
  world.produce('acme', 40);
  await world.advance(6 * HOUR_MS);
  expect(place.attempts.length).toBeGreaterThan(50);
  world.topic.trim(0, 30);
  place.answer = () => 'deliver';
  await world.advance(HOUR_MS);
  const lost = world.stores.gaps.flatMap(({ from, to }) =>
    world.produced.slice(from, to).map(({ id }) => `${id} is missing`),
  );
  expect(lost.length).toBeGreaterThan(0);
  expect(world.faults(job.id)).toEqual(lost);
});

const changes = (minutes: number): Driver =>
  inWorld(async (world) => {
    const job = world.createJob({ maxUploadIntervalSeconds: 30 });
    await world.start();
    world.produce('acme', 3);
    await world.advance(60_000);
    world.updateJob(job.id, { filter: DELETES });
    await world.advance(minutes * 60_000);
    world.produce('acme', 3, { actionType: 'view' });
    const [deleted] = world.produce('acme', 1, { actionType: 'delete' });
    await world.advance(60_000);
    expect(world.delivered(job.id)).toEqual(['e0', 'e1', 'e2', deleted?.id]);
  });

const configChange: Driver = async (entry) => {
  const [, minutes] = String(entry['value']).split('-').map(Number);
  await changes(minutes!)(entry);
};

/** Every job vanishes, of as many as the case says: all go on as they were, and it is said. */
const emptyList: Driver = async (entry) => {
  const { job_config_load: text } = entry['input'] as { job_config_load: string };
  const count = Number(/\d+/.exec(text)?.[0]);
  await inWorld(async (world) => {
    const ids = Array.from({ length: count }, () => world.createJob().id);
    await world.start();
    for (const id of ids) world.stores.vanished.add(id);
    world.stores.changed();
    await world.advance(5_000);
    const cursors = ids.map((id) => world.cursor(id));
    await world.advance(20_000);
    expect(ids.map((id) => world.cursor(id))).toEqual(cursors);
    world.produce('acme', 1);
    await world.advance(40_000);
    expect(ids.flatMap((id) => world.faults(id))).toEqual([]);
    const alarms = world.logged.lines.filter(({ level }) => level === 'error');
    expect(alarms.map(({ message }) => message)).toContain(
      'a job vanished without a deletion record; it is served on as it was',
    );
  })(entry);
};

const deletedInFlight = inWorld(async (world) => {
  const [job, other] = [world.createJob(), world.createJob({ place: 'other' })];
  await world.start();
  const place = world.places.at('bucket');
  place.latencyMs = () => 10_000;
  world.produce('acme', 3);
  await world.until('its upload is under way', () => place.underWay === 1);
  world.deleteJob(job.id);
  await world.until('its upload is over', () => place.underWay === 0);
  const attempts = place.attempts.length;
  world.produce('acme', 3);
  await world.advance(120_000);
  expect(place.attempts).toHaveLength(attempts);
  expect(world.faults(other.id, 'other')).toEqual([]);
});

const newTopic = inWorld(async (world) => {
  const job = world.createJob({ maxUploadIntervalSeconds: 5 });
  const process = await world.start();
  world.produce('acme', 20);
  await world.advance(20_000);
  const old = new Map(world.places.at('bucket').objects);
  world.topic.truncate(0, 0);
  await world.advance(5_000);
  expect(process.batcher.health()).toMatch(/partition 0 is stopped/);
  // As an operator does.
  await world.stores.open().topics.accept(TOPIC, [{ partition: 0, from: 0 }]);
  await world.advance(120_000);
  const again = world.produce('acme', 20).map(({ id }) => id);
  await world.advance(20_000);
  expect(world.delivered(job.id)).toEqual(expect.arrayContaining(again));
  for (const [key, { payloadHash }] of old) {
    expect(world.places.at('bucket').objects.get(key)?.payloadHash).toBe(payloadHash);
  }
  const parts = { jobId: 1, contentRevision: 1, topic: TOPIC, partition: 0, first: 0, last: 9 };
  const times = { minTimestampMs: 0, maxTimestampMs: 1 };
  const names = [0, 1].map((incarnation) => objectName({ ...parts, ...times, incarnation }, 0));
  expect(new Set(names).size).toBe(2);
});

/** What was planned keeps its content; from the first offset after it the new one counts. */
const narrowedFilter: Driver = async (entry) => {
  await inWorld(async (world) => {
    const job = world.createJob({ maxUploadRecords: 4 });
    await world.start();
    const place = world.places.at('bucket');
    place.answer = () => RETRY;
    const views = world.produce('acme', 24, { actionType: 'view' });
    const plans = () => world.stores.partition(TOPIC, 0)?.plans.get(job.id) ?? [];
    await world.until('three are in flight', () => plans().length >= 3);
    const cut = plans().at(-1)!.last + 1;
    world.updateJob(job.id, { filter: DELETES });
    const [deleted] = world.produce('acme', 1, { actionType: 'delete' });
    place.answer = () => 'deliver';
    await world.advance(120_000);
    const expected = [...views.slice(0, cut), deleted!].map(({ id }) => id);
    expect(world.delivered(job.id)).toEqual(expected);
  })(entry);
  const api = await theApi();
  const { id } = await createJob();
  await api.send('PUT', `${JOBS}/${String(id)}`, { filter: DELETES });
  const trail = await api.stores.outbox.take(10_000, 1);
  const changed = trail
    .map(({ line }) => line)
    .filter((line) => line.includes(`"id":"${String(id)}"`));
  expect(changed).toHaveLength(2);
  expect(changed[1]).toContain('"update"');
  expect(changed[1]).toContain('ActionType');
};

/** Cases about delivery over time, and about changes while it goes on. */
export const drivers: Drivers = {
  logpush: {
    'delivery-315': disabling,
    'delivery-316': retries,
    'delivery-319': configChange,
  },
  badInputs: {
    'control-plane-01': emptyList,
    'control-plane-02': deletedInFlight,
    'control-plane-03': newTopic,
    'control-plane-04': narrowedFilter,
  },
};
