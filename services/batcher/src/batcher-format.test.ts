import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const FIELDS = { field_names: ['AuditLogID', 'AccountID', 'ActionType', 'ResourceRequest'] };

/** A frame whose batches are still a JSON object a line, as the double of a destination reads them. */
const FRAMED = JSON.stringify({
  ...{ ...FIELDS, batch_prefix: ' \t', record_suffix: '}', record_delimiter: '\n' },
  ...{ batch_suffix: ' \n', 'CVE-2021-44228': true },
});

/** The objects that lie in the bucket for a job. */
function objectsOf(jobId: number) {
  return [...world.places.at('bucket').objects.values()].filter(
    ({ metadata }) => metadata.jobId === jobId,
  );
}

/** Kills the first batcher while plans are stored and not delivered, so that the second reads them again. */
async function deliverAcrossACrash(events: number): Promise<void> {
  const bucket = world.places.at('bucket');
  bucket.answer = () => ({ verdict: { kind: 'retry' }, message: 'HTTP 503' });
  const first = await world.start();
  world.produce('acme', events, { bodyChars: 300 });
  await world.advance(4_000);
  first.kill();
  bucket.answer = () => 'deliver';
  await world.start();
  await world.advance(60_000);
}

describe('a batch', () => {
  it('has its frame around and between its lines, also when a plan is read again', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 5, outputOptions: FRAMED });
    await deliverAcrossACrash(22);
    expect(world.faults(job.id)).toEqual([]);
    expect(objectsOf(job.id).map(({ text }) => text.replaceAll(/\{.*\}/g, 'x'))).toEqual([
      ...Array.from({ length: 4 }, () => ' \tx\nx\nx\nx\nx \n'),
      ' \tx\nx \n',
    ]);
    expect(world.logged.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('stays below max_upload_bytes with its frame', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadBytes: 2_000, outputOptions: FRAMED });
    await world.start();
    world.produce('acme', 60);
    await world.advance(60_000);
    expect(world.faults(job.id)).toEqual([]);
    const sizes = objectsOf(job.id).map(({ text }) => text.length);
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2_000);
    expect(Math.max(...sizes)).toBeGreaterThan(1_900);
  });

  it('holds the same sample for every job and after a crash, and counts only what it holds', async () => {
    world = new BatcherWorld();
    const sampled = (rate: number) =>
      world.createJob({
        maxUploadRecords: 10,
        outputOptions: JSON.stringify({ ...FIELDS, sample_rate: rate }),
      });
    const [half, same, tenth] = [sampled(0.5), sampled(0.5), sampled(0.1)];
    await deliverAcrossACrash(400);
    const delivered = world.delivered(half.id);
    expect(delivered.length).toBeGreaterThan(150);
    expect(delivered.length).toBeLessThan(250);
    expect(new Set(delivered).size).toBe(delivered.length);
    expect(world.delivered(same.id)).toEqual(delivered);
    const few = world.delivered(tenth.id);
    expect(few.length).toBeGreaterThan(15);
    expect(few.length).toBeLessThan(80);
    expect(few.filter((id) => !delivered.includes(id))).toEqual([]);
    expect(objectsOf(half.id).reduce((sum, { metadata }) => sum + metadata.records, 0)).toBe(
      delivered.length,
    );
    expect(world.logged.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('follows logpull_options where there are no output_options', async () => {
    world = new BatcherWorld();
    const job = world.createJob({
      outputOptions: null,
      logpullOptions: 'fields=AuditLogID,ActionTimestamp&timestamps=rfc3339',
    });
    await deliverAcrossACrash(3);
    expect(objectsOf(job.id).map(({ text }) => text)).toEqual([
      ['e0', 'e1', 'e2']
        .map((id) => `{"AuditLogID":"${id}","ActionTimestamp":"2026-01-01T00:00:00Z"}\n`)
        .join(''),
    ]);
  });

  it('can be of version 1 beside one of version 2, from the same events', async () => {
    world = new BatcherWorld();
    const options = (names: string[]) => JSON.stringify({ field_names: names });
    const first = world.createJob({
      dataset: 'audit_logs',
      outputOptions: options(['ID', 'ActionResult']),
    });
    const second = world.createJob({ outputOptions: options(['AuditLogID', 'ActionResult']) });
    await world.start();
    world.produce('acme', 2);
    await world.advance(60_000);
    expect(objectsOf(first.id).map(({ text }) => text)).toEqual([
      '{"ID":"e0","ActionResult":true}\n{"ID":"e1","ActionResult":true}\n',
    ]);
    expect(objectsOf(second.id).map(({ text }) => text)).toEqual([
      '{"AuditLogID":"e0","ActionResult":"success"}\n{"AuditLogID":"e1","ActionResult":"success"}\n',
    ]);
  });
});
