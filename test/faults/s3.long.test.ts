import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpFault } from '../kit/http-fault.ts';
import { BucketReader } from '../kit/system/arrivals.ts';
import { eventually } from '../kit/system/program.ts';
import { lasting, pass } from './durations.ts';
import { expectExactly, FaultWorld } from './world.ts';

/**
 * Rows of the fault matrix about object stores. Method: as for HTTP receivers, with an S3 server for each
 * row; every object must hold what was planned, once.
 */
const EVENTS = 2_000;
let world: FaultWorld;
beforeAll(async () => {
  world = await FaultWorld.start();
});
afterAll(() => world.stop());

async function setUp(row: number) {
  const account = `row-${row}`;
  const { s3, bucket, conf } = await world.bucket();
  await world.job(account, conf);
  const files = await world.files(account);
  return { s3, bucket, files, objects: new BucketReader(bucket), load: world.load(account) };
}

const slowDown: HttpFault = {
  then: {
    kind: 'answer',
    status: 503,
    headers: { 'content-type': 'application/xml' },
    body: '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
  },
};

const success = (status: number, body?: string): HttpFault => ({
  then: { kind: 'answer', status, ...(body === undefined ? {} : { body }) },
});

describe.concurrent('the fault matrix: object stores', () => {
  it('row 30: asks a store that only says SlowDown less and less, and recovers', async () => {
    const { s3, files, objects, load } = await setUp(30);
    s3.faults.always(slowDown);
    const before = s3.faults.taken;
    await load.send(EVENTS);
    await eventually('it was refused six times', 90_000, () => s3.faults.taken >= before + 6);
    const { taken } = s3.faults;
    // Four plans of one partition at once, each after a pause that doubles up to five minutes.
    await pass(lasting(10_000, 1_200_000));
    expect(s3.faults.taken - taken).toBeLessThan(lasting(20, 100));
    s3.faults.clear();
    await expectExactly(30, load, [files, objects], lasting(90_000, 600_000));
  });

  it('row 31: stores each object once when every third request is refused', async () => {
    const { s3, files, objects, load } = await setUp(31);
    const proceed: HttpFault = { then: { kind: 'proceed' } };
    for (let n = 0; n < 100; n++) s3.faults.push(slowDown, proceed, proceed);
    // A request for every interval of a second.
    await eventually('a dozen requests were made', 60_000, async () => {
      await load.send(load.acknowledged.size + 100);
      return s3.faults.taken >= 12;
    });
    await expectExactly(31, load, [files, objects]);
  });

  it('row 32: takes no answer without an ETag for success', async () => {
    const { s3, files, objects, load } = await setUp(32);
    const html = '<html><body>Welcome to this hotspot</body></html>';
    s3.faults.push(success(200, html), success(204), success(200));
    await load.send(EVENTS);
    await expectExactly(32, load, [files, objects]);
    expect(s3.faults.taken).toBe(3);
  });

  it('row 33: ends with one object when the store took it and then reset', async () => {
    const { s3, files, objects, load } = await setUp(33);
    const lost: HttpFault = { store: true, then: { kind: 'reset', when: 'after_body' } };
    s3.faults.push(lost, lost, { store: true, then: { kind: 'cut_answer' } });
    await load.send(EVENTS);
    await expectExactly(33, load, [files, objects]);
    expect(s3.faults.taken).toBe(3);
  });

  it('row 34: gives up a store that never answers, and tries again', async () => {
    const { s3, files, objects, load } = await setUp(34);
    s3.faults.push({ then: { kind: 'silence' } });
    await load.send(EVENTS);
    await eventually('files have everything', 30_000, () =>
      [...load.acknowledged].every((id) => files.look().has(id)),
    );
    await expectExactly(34, load, [files, objects], 150_000);
  });
});
