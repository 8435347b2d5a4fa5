import { afterEach, describe, expect, it } from 'vitest';
import { encodeEvent, LineEncoder } from '@trailpush/datasets';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const HOUR_MS = 3_600_000;
const REFUSED = { verdict: { kind: 'refused' }, status: 403, message: 'error 403' } as const;
const AFTER_2_HOURS = { disableAfterMs: 2 * HOUR_MS };
const bucket = () => world.places.at('bucket');
const stored = (id: number) => world.stores.jobs.get(id)!.job;

describe('a job whose attempts all fail', () => {
  it('is disabled after the set time, and goes on where it stopped once it is enabled', async () => {
    world = new BatcherWorld();
    const job = world.createJob();
    await world.start(AFTER_2_HOURS);
    bucket().answer = () => REFUSED;
    world.produce('acme', 30);
    await world.advance(2 * HOUR_MS - 60_000);
    expect(stored(job.id).spec.enabled).toBe(true);
    await world.advance(HOUR_MS);
    const { revision, spec, status } = stored(job.id);
    expect({ revision, enabled: spec.enabled }).toEqual({ revision: 2, enabled: false });
    expect(status.errorMessage).toMatch(
      /^disabled after 2 h, since every attempt from 2026-01-01T00:00:3\dZ on had failed; .* Last error: error 403$/,
    );
    expect(world.stores.health.notices).toMatchObject([{ kind: 'job_disabled', jobId: job.id }]);
    const before = bucket().attempts.length;
    world.produce('acme', 10);
    await world.advance(HOUR_MS / 2);
    expect(bucket().attempts).toHaveLength(before);
    bucket().answer = () => 'deliver';
    world.updateJob(job.id, { enabled: true });
    await world.until('all is delivered', () => world.faults(job.id).length === 0);
    expect(stored(job.id).status.errorMessage).toBeNull();
  });

  it('is told of in the log as a change by the system', async () => {
    world = new BatcherWorld();
    const job = world.createJob();
    await world.start(AFTER_2_HOURS);
    bucket().answer = () => REFUSED;
    world.produce('acme', 1);
    await world.advance(2.5 * HOUR_MS);
    const [entry] = await world.stores.outbox.open(world.clock).take(10, 1000);
    const line = JSON.parse(entry!.line) as object;
    expect(line).toMatchObject({
      ...{ account: { id: 'acme' }, actor: { type: 'system' }, action: { type: 'update' } },
      resource: { id: String(job.id), product: 'logpush', type: 'job' },
    });
    // It is an event as producers write it.
    const encoder = new LineEncoder({
      encode: encodeEvent,
      maxRecordBytes: 10_000,
      clock: world.clock,
    });
    expect(encoder.encodeLine(Buffer.from(entry!.line))).toMatchObject({ ok: true });
  });

  it('is counted from its first failure across restarts, and only while it is watched', async () => {
    world = new BatcherWorld();
    const job = world.createJob();
    const first = await world.start(AFTER_2_HOURS);
    bucket().answer = () => REFUSED;
    world.produce('acme', 1);
    await world.advance(HOUR_MS);
    first.kill();
    await world.advance(3 * HOUR_MS);
    await world.start(AFTER_2_HOURS);
    await world.advance(10 * 60_000);
    expect(stored(job.id).spec.enabled).toBe(true);
    await world.advance(HOUR_MS);
    expect(stored(job.id).spec.enabled).toBe(false);
  });

  it('is not when it is idle, when one attempt passes, or when the count begins anew', async () => {
    world = new BatcherWorld();
    const idle = world.createJob({ accountId: 'other', place: 'idle' });
    const flaky = world.createJob({ place: 'flaky' });
    const changed = world.createJob({ place: 'changed' });
    await world.start(AFTER_2_HOURS);
    let asked = 0;
    world.places.at('flaky').answer = () => (asked++ % 12 === 11 ? 'deliver' : REFUSED);
    world.places.at('changed').answer = () => REFUSED;
    world.produce('acme', 1);
    for (let quarter = 0; quarter < 14; quarter++) {
      await world.advance(HOUR_MS / 4);
      world.produce('acme', 1);
      if (quarter === 7) world.updateJob(changed.id, { maxUploadRecords: 7 });
    }
    expect(asked).toBeGreaterThan(20);
    for (const { id } of [idle, flaky, changed]) expect(stored(id).spec.enabled).toBe(true);
  });
});

describe('the attempts of a job', () => {
  it('are kept with status, duration and error, in few writes', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 2 });
    const process = await world.start();
    let writes = 0;
    process.faults.fateOf = ({ name }) => {
      if (name === 'recordAttempts') writes++;
      return 'answer';
    };
    bucket().latencyMs = () => 250;
    bucket().answer = ({ number }) => (number === 1 ? REFUSED : 'deliver');
    world.produce('acme', 41);
    await world.advance(60_000);
    const attempts = world.stores.health.attempts;
    expect(attempts).toHaveLength(22);
    expect(attempts[0]).toMatchObject({
      ...{ jobId: job.id, verdict: 'refused', code: 403, message: 'error 403', tookMs: 250 },
      ...{ records: 2, partition: 0, firstOffset: 0, lastOffset: 1 },
    });
    expect(attempts.at(-1)).toMatchObject({ verdict: 'delivered', code: 200, message: null });
    expect(writes).toBeLessThanOrEqual(6);
  });

  it('wait while the store is away, and the last ones are stored at the end', async () => {
    world = new BatcherWorld();
    world.createJob({ maxUploadRecords: 1 });
    const process = await world.start();
    process.faults.fateOf = ({ name }) => (name === 'recordAttempts' ? 'fail' : 'answer');
    world.produce('acme', 30);
    await world.advance(50_000);
    expect(world.stores.health.attempts).toEqual([]);
    process.faults.fateOf = () => 'answer';
    await process.stop();
    expect(world.stores.health.attempts).toHaveLength(30);
  });
});
