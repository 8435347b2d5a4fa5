import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { BucketReader, ReceiverReader } from '../kit/system/arrivals.ts';
import { eventually } from '../kit/system/program.ts';
import { lasting, pass } from './durations.ts';
import { expectExactly, FaultWorld } from './world.ts';

/**
 * Rows of the fault matrix about the process itself. Method: a program for each row, which is stopped,
 * starved or killed under load and then left alone.
 */
const EVENTS = 20_000;
/** What a supervisor waits before it kills. */
const STOP_WITHIN_MS = 25_000;
let world: FaultWorld;
afterEach(() => world.stop());

async function setUp(row: number, environment?: Readonly<Record<string, string>>) {
  world = await FaultWorld.start(environment);
  const account = `row-${row}`;
  const { s3, bucket, conf } = await world.bucket();
  const receiver = await world.receiver();
  await world.job(account, conf);
  await world.job(account, `${receiver.origin}/in`);
  const files = await world.files(account);
  const readers = [files, new BucketReader(bucket), new ReceiverReader(receiver)];
  return { s3, bucket, receiver, readers, load: world.load(account), program: world.program };
}

async function timed<T>(action: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const begun = performance.now();
  return { value: await action(), ms: performance.now() - begun };
}

describe('the fault matrix: the process', () => {
  it('row 4: an upload that lands after its process died changes nothing', async () => {
    const { s3, readers, load, program } = await setUp(4);
    s3.faults.push({ delayMs: lasting(6_000, 60_000), then: { kind: 'proceed' } });
    await load.send(200);
    await eventually('the upload is under way', 30_000, () => s3.faults.taken === 1);
    await program.kill();
    await program.start();
    await load.send(EVENTS);
    await expectExactly(4, load, readers);
  });

  it('row 5: a request that lands after its process died has the key of its repetition', async () => {
    const { receiver, readers, load, program } = await setUp(5);
    receiver.faults.push({ delayMs: lasting(6_000, 60_000), then: { kind: 'proceed' } });
    await load.send(200);
    await eventually('the request is under way', 30_000, () => receiver.faults.taken === 1);
    await program.kill();
    await program.start();
    await load.send(EVENTS);
    await expectExactly(5, load, readers);
  });

  it('row 55: goes on when there are files to open again', async () => {
    const { readers, load, program } = await setUp(55);
    await load.send(500);
    const limit = (files: string) =>
      execFileSync('prlimit', ['--pid', String(program.pid), `--nofile=${files}:`]);
    // Less than what is open by now: nothing can be opened any more.
    limit('16');
    const sending = load.send(EVENTS);
    await pass(lasting(5_000, 30_000));
    limit('4096');
    await sending;
    await expectExactly(55, load, readers);
  });

  it('row 56: keeps to its budget with a heap of 128 MB', async () => {
    const { readers, load, program } = await setUp(56, {
      NODE_OPTIONS: '--max-old-space-size=128',
    });
    await load.send(2 * EVENTS);
    await expectExactly(56, load, readers);
    expect(program.output).not.toMatch(/heap out of memory/);
  });

  it('row 66: ends in order on SIGTERM under load, and goes on where it was', async () => {
    const { readers, load, program } = await setUp(66);
    const sending = load.send(EVENTS);
    await eventually('it is at work', 30_000, () => load.acknowledged.size > EVENTS / 10);
    const { value: exitCode, ms } = await timed(() => program.terminate());
    expect(exitCode).toBe(0);
    expect(ms).toBeLessThan(STOP_WITHIN_MS);
    await program.start();
    await sending;
    await expectExactly(66, load, readers);
  });

  it('row 67: ends in order on SIGTERM while every destination is dead', async () => {
    const { s3, receiver, readers, load, program } = await setUp(67);
    s3.faults.always({ then: { kind: 'silence' } });
    receiver.faults.always({ then: { kind: 'silence' } });
    await load.send(EVENTS);
    await eventually(
      'both are tried',
      30_000,
      () => s3.faults.taken > 0 && receiver.faults.taken > 0,
    );
    const { value: exitCode, ms } = await timed(() => program.terminate());
    expect(exitCode).toBe(0);
    expect(ms).toBeLessThan(STOP_WITHIN_MS);
    s3.faults.clear();
    receiver.faults.clear();
    await program.start();
    await expectExactly(67, load, readers);
  });

  it('row 68: a second SIGTERM loses nothing', async () => {
    const { readers, load, program } = await setUp(68);
    await load.send(EVENTS);
    const ending = program.terminate();
    process.kill(program.pid, 'SIGTERM');
    const { ms } = await timed(() => ending);
    expect(ms).toBeLessThan(STOP_WITHIN_MS);
    await program.start();
    await expectExactly(68, load, readers);
  });
});
