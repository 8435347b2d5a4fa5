import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { JobHealth, type Turn } from './job-health.ts';

const RETRY = { kind: 'retry' } as const;
const anybody = { isHead: () => true, isSuspect: () => false };
const never = new AbortController().signal;

let clock: FakeClock;
let health: JobHealth;
beforeEach(() => {
  clock = new FakeClock();
  health = new JobHealth(clock, () => 0.999_999);
});

/** Takes a turn, and notes when it comes. */
function ask(applicant = anybody, signal = never) {
  const asked: { turn?: Turn; atMs?: number } = {};
  const done = health.turn(signal, applicant).then((turn) => {
    asked.turn = turn;
    asked.atMs = clock.monotonic();
  });
  return Object.assign(asked, { done });
}

async function failOnce(verdict: Parameters<JobHealth['failed']>[1] = RETRY): Promise<void> {
  health.failed(await health.turn(never, anybody), verdict);
}

describe('the health of a job', () => {
  it('gives everybody a turn at once while the destination is well', async () => {
    const turns = await Promise.all([1, 2, 3].map(() => health.turn(never, anybody)));
    expect(turns).toEqual([{ isProbe: false }, { isProbe: false }, { isProbe: false }]);
  });

  it('gives one turn at a time while it fails, and waits longer after each failure', async () => {
    await failOnce();
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      const startedMs = clock.monotonic();
      const [one, other] = [ask(), ask()];
      for (let s = 0; s < 400 && !one.turn; s++) await clock.advance(1_000);
      expect(other.turn).toBeUndefined();
      waits.push(one.atMs! - startedMs);
      health.failed(one.turn!, RETRY);
    }
    expect(waits[0]).toBeGreaterThanOrEqual(1_000);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(waits.at(-1)).toBeLessThanOrEqual(300_000);
    expect(health.failingForMs).toBe(clock.monotonic());
  });

  it('takes failures that were under way together for one', async () => {
    const turns = await Promise.all([1, 2, 3, 4].map(() => health.turn(never, anybody)));
    for (const turn of turns) health.failed(turn, RETRY);
    expect(health.backoffMs).toBe(1_000);
  });

  it('is well again after any success, and everybody goes on', async () => {
    const [late] = await Promise.all([health.turn(never, anybody), failOnce()]);
    const waiting = [ask(), ask()];
    await clock.advance(0);
    health.succeeded(late);
    await Promise.all(waiting.map(({ done }) => done));
    expect(health.failing).toBe(false);
    expect([health.failingForMs, health.backoffMs]).toEqual([0, 0]);
  });

  it('stays away as long as it is told, whatever else fails meanwhile', async () => {
    const [one, other] = await Promise.all([1, 2].map(() => health.turn(never, anybody)));
    health.failed(one!, { kind: 'throttled', retryAfterMs: 600_000 });
    health.failed(other!, RETRY);
    expect(health.backoffMs).toBe(600_000);
  });

  it('is told to stay away by any of several answers', async () => {
    const [one, other] = await Promise.all([1, 2].map(() => health.turn(never, anybody)));
    health.failed(one!, RETRY);
    health.failed(other!, { kind: 'throttled', retryAfterMs: 600_000 });
    expect(health.backoffMs).toBe(600_000);
  });

  it('probes more slowly where a person must act', async () => {
    for (let i = 0; i < 20; i++) {
      await failOnce({ kind: 'refused' });
      await clock.advance(health.backoffMs);
    }
    await failOnce({ kind: 'refused' });
    expect(health.backoffMs).toBeGreaterThan(300_000);
    expect(health.backoffMs).toBeLessThanOrEqual(900_000);
  });

  it('lets only those probe who may, and looks again when that has changed', async () => {
    await failOnce();
    let isHead = false;
    const waiting = ask({ ...anybody, isHead: () => isHead });
    await clock.advance(30_000);
    expect(waiting.turn).toBeUndefined();
    isHead = true;
    health.lookAgain();
    await waiting.done;
    expect(waiting.turn).toEqual({ isProbe: true });
  });

  it('passes a turn on that was given back without a verdict', async () => {
    await failOnce();
    await clock.advance(1_000);
    const [one, other] = [ask(), ask()];
    await one.done;
    expect(other.turn).toBeUndefined();
    health.endTurn(one.turn!);
    await other.done;
  });

  it('is not taken for probing by a turn that began before the failure', async () => {
    const [early] = await Promise.all([health.turn(never, anybody), failOnce()]);
    await clock.advance(1_000);
    const probing = ask();
    await probing.done;
    health.endTurn(early);
    const third = ask();
    await clock.advance(120_000);
    expect(third.turn).toBeUndefined();
  });

  it('tries at once when a person has changed the job', async () => {
    await failOnce({ kind: 'throttled', retryAfterMs: 3_600_000 });
    const waiting = ask();
    await clock.advance(10);
    health.reset();
    await waiting.done;
    expect(waiting.atMs).toBe(10);
  });

  it('leaves nothing behind of a wait that was given up', async () => {
    await failOnce();
    const stop = new AbortController();
    const waiting = expect(health.turn(stop.signal, anybody)).rejects.toThrow();
    await clock.advance(10);
    stop.abort();
    await waiting;
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets others go before what was refused alone, while nothing has passed', async () => {
    await failOnce({ kind: 'rejected' });
    health.wantWitness();
    const { passes } = health;
    const suspect = ask({ isHead: () => true, isSuspect: () => health.passes === passes });
    const witness = ask({ isHead: () => false, isSuspect: () => false });
    await clock.advance(health.backoffMs);
    expect([suspect.turn, witness.turn]).toEqual([undefined, { isProbe: true }]);
    expect(health.hasPassedSince(passes)).toBe(false);
    health.succeeded(witness.turn!);
    await suspect.done;
    expect(health.wantsWitness).toBe(false);
    expect(health.hasPassedSince(passes)).toBe(true);
    expect(health.hasPassedSince(passes + 1)).toBe(false);
    await clock.advance(60_001);
    expect(health.hasPassedSince(passes)).toBe(false);
  });

  it('does not wait long when what was refused comes in another form', async () => {
    for (let i = 0; i < 20; i++) {
      health.failed(await health.turn(never, anybody), { kind: 'too_large' }, true);
      expect(health.backoffMs).toBe(1000);
      await clock.advance(1000);
    }
  });
});
