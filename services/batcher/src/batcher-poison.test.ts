import { afterEach, describe, expect, it } from 'vitest';
import { BatcherWorld, type BatcherProcess } from '@trailpush/test/kit/batcher-world.ts';
import { eventValue } from '@trailpush/test/kit/events.ts';
import type { Attempt } from '@trailpush/test/kit/scripted-destination.ts';
import type { CallFate } from '@trailpush/test/kit/store-faults.ts';
import { MAX_SPLIT_PLANS } from './refusal.ts';

let world: BatcherWorld;
afterEach(() => {
  world.close();
  expect(world.violations()).toEqual([]);
});

const REJECTED = { verdict: { kind: 'rejected' }, message: 'error 400: bad line' } as const;
const TOO_LARGE = { verdict: { kind: 'too_large' }, message: 'error 413' } as const;
const bucket = () => world.places.at('bucket');
const isPoisoned = ({ lines }: Attempt) => lines.some((line) => line['ActionType'] === 'poison');
const refusePoison = () => {
  bucket().answer = (attempt) => (isPoisoned(attempt) ? REJECTED : 'deliver');
};

function letters(): [number, number | null, string][] {
  return world.stores.deadLetters.map(({ offset, jobId, reason }) => [offset, jobId, reason]);
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const harmless = ({ actionType }: { actionType?: string }) => actionType !== 'poison';

describe('a record that a receiver refuses', () => {
  it('is found by halving, set aside alone, and all others are delivered once', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    await world.start();
    refusePoison();
    world.produce('acme', 637);
    world.produce('acme', 1, { actionType: 'poison' });
    world.produce('acme', 362);
    await world.until('it is set aside', () => world.stores.deadLetters.length > 0);
    expect(letters()).toEqual([[637, job.id, 'refused_by_destination']]);
    expect(world.stores.deadLetters[0]).toMatchObject({
      ...{ accountId: 'acme', message: 'error 400: bad line', key: bytesOf('acme') },
    });
    const refused = bucket().attempts.filter(isPoisoned);
    // The whole, ten halves, and the record once more after others had passed.
    expect(refused.length).toBeLessThanOrEqual(12);
    await world.advance(10_000);
    expect(world.faults(job.id, 'bucket', harmless)).toEqual([]);
    expect(world.cursor(job.id) ?? 1000).toBe(1000);
    expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toBeNull();
  });

  it('is one of many, and each is set aside', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 20 });
    await world.start();
    refusePoison();
    for (let i = 0; i < 100; i++) {
      world.produce('acme', 1, { actionType: i % 3 === 0 ? 'poison' : 'view' });
    }
    for (let i = 0; i < 120 && letters().length < 34; i++) {
      await world.advance(30_000);
      world.produce('acme', 1);
    }

    await world.advance(40_000);
    expect(world.faults(job.id, 'bucket', harmless)).toEqual([]);
    expect(letters().map(([offset]) => offset)).toEqual(
      world.produced.filter((event) => !harmless(event)).map(({ offset }) => offset),
    );
  });

  it('waits for another record to pass when it is the only one', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    await world.start();
    refusePoison();
    world.produce('acme', 1, { actionType: 'poison' });
    await world.advance(900_000);
    expect(letters()).toEqual([]);
    expect(world.cursor(job.id)).toBe(0);
    expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toBe('error 400: bad line');
    world.produce('acme', 1);
    await world.until('it is set aside', () => letters().length === 1, { withinMs: 1_000_000 });
    await world.advance(10_000);
    expect(world.faults(job.id, 'bucket', harmless)).toEqual([]);
    expect(world.stores.jobs.get(job.id)?.job.status.errorMessage).toBeNull();
  });

  it('is kept whole, also where its plan goes on for many reads', async () => {
    world = new BatcherWorld({ maxReadRecords: 5 });
    const job = world.createJob({ maxUploadIntervalSeconds: 5 });
    await world.start();
    refusePoison();
    const [poison] = world.produce('acme', 1, { actionType: 'poison' });
    world.produce('other', 23);
    await world.until('it is refused', () => bucket().attempts.length > 0);
    world.produce('acme', 1);
    await world.until('it is set aside', () => letters().length === 1);
    expect(letters()).toEqual([[0, job.id, 'refused_by_destination']]);
    const [letter] = world.stores.deadLetters;
    expect(letter?.key).toEqual(bytesOf('acme'));
    expect(letter?.value).toEqual(Uint8Array.from(eventValue(poison!)));
  });

  it('is not set aside when it passes after all', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 10 });
    await world.start();
    let refusals = 0;
    bucket().answer = (attempt) => (isPoisoned(attempt) && refusals++ < 3 ? REJECTED : 'deliver');
    world.produce('acme', 5);
    world.produce('acme', 1, { actionType: 'poison' });
    world.produce('acme', 5);
    await world.advance(120_000);
    expect(refusals).toBe(4);
    expect(letters()).toEqual([]);
    expect(world.faults(job.id)).toEqual([]);
  });

  it('does not concern other jobs, which get it', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 4 });
    const other = world.createJob({ place: 'other', maxUploadRecords: 4 });
    await world.start();
    refusePoison();
    world.produce('acme', 2);
    world.produce('acme', 1, { actionType: 'poison' });
    world.produce('acme', 9);
    await world.advance(120_000);
    expect(letters()).toEqual([[2, job.id, 'refused_by_destination']]);
    expect(world.faults(other.id, 'other')).toEqual([]);
  });
});

describe('a receiver that refuses everything', () => {
  it.each([REJECTED, TOO_LARGE])(
    'with $message gets no dead letter and few objects, and all when it is repaired',
    async (refusal) => {
      world = new BatcherWorld();
      const job = world.createJob({ maxUploadRecords: 500 });
      await world.start();
      bucket().answer = () => refusal;
      world.produce('acme', 3_000);
      await world.advance(3_600_000);
      expect(letters()).toEqual([]);
      expect(world.cursor(job.id)).toBe(0);
      const plans = world.stores.partition('audit.events', 0)?.plans.get(job.id) ?? [];
      expect(plans.length).toBeLessThanOrEqual(MAX_SPLIT_PLANS + 10);
      expect(bucket().attempts.length).toBeLessThan(200);
      bucket().answer = () => 'deliver';
      await world.until('all is delivered', () => world.faults(job.id).length === 0, {
        ...{ withinMs: 2_000_000, stepMs: 5_000 },
      });
      expect(letters()).toEqual([]);
    },
  );

  it('for a while only, after it had taken some, gets all in the end', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 1 });
    await world.start();
    world.produce('acme', 20);
    await world.advance(10_000);
    bucket().answer = () => REJECTED;
    world.produce('acme', 20);
    await world.advance(50_000);
    bucket().answer = () => 'deliver';
    await world.advance(1_000_000);
    expect(letters()).toEqual([]);
    expect(world.faults(job.id)).toEqual([]);
  });
});

describe('an object that is too large', () => {
  it('is halved until it is taken, and later ones are made small enough at once', async () => {
    world = new BatcherWorld();
    const job = world.createJob({ maxUploadRecords: 100, maxUploadIntervalSeconds: 5 });
    await world.start();
    bucket().answer = ({ lines }) => (lines.length > 20 ? TOO_LARGE : 'deliver');
    world.produce('acme', 100, { bodyChars: 3_000 });
    await world.until('all is delivered', () => world.faults(job.id).length === 0);
    const refused = () => bucket().attempts.filter(({ lines }) => lines.length > 20).length;
    expect(refused()).toBeLessThanOrEqual(7);
    const before = refused();
    for (let i = 0; i < 5; i++) {
      world.produce('acme', 100, { bodyChars: 3_000 });
      await world.advance(30_000);
    }
    expect(world.faults(job.id)).toEqual([]);
    expect(refused() - before).toBeLessThanOrEqual(2);
    expect(letters()).toEqual([]);
  });
});

describe('a batcher that is killed while it halves', () => {
  function prepare() {
    world = new BatcherWorld({ maxReadRecords: 7 });
    const job = world.createJob({ maxUploadRecords: 12, maxUploadIntervalSeconds: 4 });
    refusePoison();
    world.produce('acme', 5);
    world.produce('acme', 1, { actionType: 'poison' });
    world.produce('acme', 20);
    return job;
  }

  async function run(process: BatcherProcess): Promise<void> {
    void process.batcher.start();
    await world.advance(40_000);
  }

  it.each<CallFate>(['hang before', 'hang after', 'lose answer'])(
    'at any call of a store (%s) sets the record aside all the same, and loses nothing else',
    async (fate) => {
      prepare();
      const process = world.newProcess();
      const names: string[] = [];
      process.faults.fateOf = ({ name }) => {
        names.push(name);
        return 'answer';
      };
      await run(process);
      expect(names).toContain('splitPlan');
      expect(names).toContain('setAsidePlan');
      world.close();
      for (let at = 1; at <= names.length; at++) {
        const job = prepare();
        const victim = world.newProcess();
        victim.faults.fateOf = ({ number }) => (number === at ? fate : 'answer');
        victim.faults.onHang = () => victim.kill();
        await run(victim);
        if (fate !== 'lose answer') {
          expect(victim.alive).toBe(false);
          await world.start();
        }
        // Whoever takes over may need another record to pass.
        world.produce('acme', 1);
        await world.advance(120_000);
        expect(
          [...world.faults(job.id, 'bucket', harmless), ...letters().map(([offset]) => offset)],
          `${fate} at call ${at}, ${names[at - 1]}`,
        ).toEqual([5]);
        expect(world.violations()).toEqual([]);
        world.close();
      }
    },
  );
});
