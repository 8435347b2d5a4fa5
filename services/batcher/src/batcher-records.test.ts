import { afterEach, describe, expect, it } from 'vitest';
import { EVENT_SCHEMA, WriterSchemas, confluentEncoder, encodeEvent } from '@trailpush/datasets';
import { BatcherWorld, type ProcessOptions } from '@trailpush/test/kit/batcher-world.ts';
import { auditEvent, eventValue } from '@trailpush/test/kit/events.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

type SchemaSource = NonNullable<ProcessOptions['schemas']>;

/** A schema registry that knows id 7, or does not know it, or has not answered yet. */
class Registry implements SchemaSource {
  answer: object | 'unknown' | 'pending' = EVENT_SCHEMA;
  #waiting: (() => void)[] = [];
  readonly #single = new WriterSchemas({});

  lookup(framing: Parameters<SchemaSource['lookup']>[0]): object | 'unknown' | 'pending' {
    return framing.kind === 'confluent' ? this.answer : this.#single.lookup(framing);
  }

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  answerWith(answer: object | 'unknown'): void {
    this.answer = answer;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const encodeWithId7 = confluentEncoder(7);

/** Appends an event in the framing of a schema registry. */
function produceFramed(id: string, accountId = 'acme'): void {
  const value = encodeWithId7(auditEvent({ id, accountId }));
  world.topic.append([{ key: accountId, value }]);
}

function appendRaw(value: Uint8Array | null, key: string | null = 'acme'): void {
  world.topic.appendRaw({ partition: 0, key: key === null ? null : Buffer.from(key), value });
}

describe('an event of an organization', () => {
  it('reaches no job of the account that has the same id, and is no dead letter', async () => {
    world = new BatcherWorld();
    const job = world.createJob();
    await world.start();
    world.produce('acme', 2);
    const organization = { id: 'acme', name: null };
    const event = auditEvent({ id: 'of the organization', accountId: 'acme' });
    appendRaw(encodeEvent({ ...event, account: null, organization }));
    world.produce('acme', 2);
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
    expect(world.delivered(job.id)).toHaveLength(4);
    expect(world.stores.deadLetters).toEqual([]);
  });
});

describe('a record that cannot be delivered', () => {
  it('is set aside with its reason, and those around it arrive', async () => {
    world = new BatcherWorld();
    const job = world.createJob();
    await world.start({ maxRecordBytes: 50_000 });
    world.produce('acme', 2);
    appendRaw(eventValue({ id: 'no key', accountId: 'acme' }), null);
    appendRaw(eventValue({ id: 'empty key', accountId: 'acme' }), '');
    appendRaw(Buffer.from('no Avro'));
    appendRaw(eventValue({ id: 'foreign', accountId: 'beta' }));
    appendRaw(eventValue({ id: 'long', accountId: 'acme', bodyChars: 60_000 }));
    world.produce('acme', 2);
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
    const letters = world.stores.deadLetters.map(({ offset, reason }) => [offset, reason]);
    expect(letters).toEqual([
      [2, 'missing_key'],
      [3, 'missing_key'],
      [4, 'not_avro'],
      [5, 'account_mismatch'],
      [6, 'too_large'],
    ]);
    expect(world.stores.deadLetters[4]?.value).toHaveLength(
      eventValue({ id: 'long', accountId: 'acme', bodyChars: 60_000 }).length,
    );
  });

  it('is stored before any plan passes it', async () => {
    world = new BatcherWorld();
    world.createJob({ maxUploadRecords: 2 });
    const process = await world.start();
    const order: string[] = [];
    process.faults.fateOf = ({ name }) => {
      order.push(name);
      return name === 'saveDeadLetters' && order.filter((of) => of === name).length < 4
        ? 'fail'
        : 'answer';
    };
    world.produce('acme', 1);
    appendRaw(Buffer.from('no Avro'));
    world.produce('acme', 3);
    await world.advance(40_000);
    expect(world.stores.deadLetters).toHaveLength(1);
    expect(order.indexOf('insertPlan')).toBeGreaterThan(order.lastIndexOf('saveDeadLetters'));
  });

  it('is skipped when a body is made again', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 4 });
    const first = await world.start();
    world.places.at('bucket').latencyMs = () => 60_000;
    world.produce('acme', 2);
    appendRaw(Buffer.from('no Avro'));
    world.produce('acme', 3);
    await world.advance(1_000);
    first.kill();
    world.places.at('bucket').latencyMs = () => 0;
    await world.start();
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
    expect(world.stores.deadLetters).toHaveLength(1);
  });

  it('stays set aside when its schema turns up later, so that bodies stay the same', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 4 });
    const schemas = new Registry();
    schemas.answer = 'unknown';
    const first = await world.start({ schemas });
    world.places.at('bucket').latencyMs = () => 60_000;
    world.produce('acme', 2);
    produceFramed('of an unknown schema');
    world.produce('acme', 3);
    await world.advance(1_000);
    first.kill();
    schemas.answer = EVENT_SCHEMA;
    // Before it is planned again another process reads on, and sets a later record aside.
    appendRaw(Buffer.from('no Avro'));
    world.places.at('bucket').latencyMs = () => 0;
    const second = await world.start({ schemas });
    await world.advance(40_000);
    second.kill();
    await world.start({ schemas });
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
    expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toBeNull();
  });

  it('stays set aside for a batch that was open when its schema turned up', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 20 });
    const schemas = new Registry();
    schemas.answer = 'unknown';
    const first = await world.start({ schemas });
    world.produce('acme', 2);
    produceFramed('of an unknown schema');
    world.produce('acme', 3);
    await world.advance(5_000);
    first.kill();
    schemas.answer = EVENT_SCHEMA;
    appendRaw(Buffer.from('no Avro'));
    world.places.at('bucket').latencyMs = () => 30_000;
    const second = await world.start({ schemas });
    await world.advance(20_000);
    expect(world.places.at('bucket').underWay).toBe(1);
    second.kill();
    world.places.at('bucket').latencyMs = () => 0;
    await world.start({ schemas });
    await world.advance(40_000);
    expect(world.faults(job.id)).toEqual([]);
  });
});

describe('a schema that must be fetched', () => {
  it('is waited for in the middle of a batch, while jobs and lanes go on changing', async () => {
    world = new BatcherWorld();
    const stays = world.createJob({ place: 'one', maxUploadIntervalSeconds: 5 });
    const leaves = world.createJob({ place: 'two', maxUploadIntervalSeconds: 5 });
    const pauses = world.createJob({ place: 'three', maxUploadIntervalSeconds: 5 });
    const schemas = new Registry();
    const process = await world.start({ schemas });
    world.produce('acme', 3);
    await world.advance(100);
    schemas.answer = 'pending';
    world.produce('acme', 2);
    produceFramed('framed 1');
    const late = world.produce('acme', 2);
    produceFramed('framed 2');
    // Batches get old, cursors are pinned, jobs come and go: all in the middle of one read.
    await world.advance(12_000);
    world.deleteJob(leaves.id);
    world.updateJob(pauses.id, { enabled: false });
    const comes = world.createJob({ place: 'four', maxUploadIntervalSeconds: 5 });
    await world.advance(5_000);
    world.updateJob(pauses.id, { enabled: true });
    world.topic.rebalance();
    await world.advance(5_000);
    schemas.answerWith(EVENT_SCHEMA);
    const after = world.produce('acme', 2);
    await world.advance(40_000);
    const all = [...world.produced.slice(0, 5).map(({ id }) => id), 'framed 1'];
    const whole = [...all, ...late.map(({ id }) => id), 'framed 2', ...after.map(({ id }) => id)];
    expect(world.delivered(stays.id, 'one')).toEqual(whole);
    expect(world.delivered(pauses.id, 'three')).toEqual(whole);
    expect(world.delivered(comes.id, 'four')).toEqual(after.map(({ id }) => id));
    expect(process.log.openReaders).toBeLessThanOrEqual(2);
  });

  it('does not keep a process from stopping', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    const schemas = new Registry();
    schemas.answer = 'pending';
    const process = await world.start({ schemas });
    world.produce('acme', 2);
    produceFramed('framed');
    world.produce('acme', 2);
    await world.advance(2_000);
    await process.stop();
    schemas.answer = EVENT_SCHEMA;
    await world.start({ schemas });
    await world.advance(40_000);
    expect(world.delivered(job.id)).toEqual(['e0', 'e1', 'framed', 'e2', 'e3']);
  });
});
