import { describe, expect, it } from 'vitest';
import { FakeClock } from './fake-clock.ts';

describe('FakeClock', () => {
  it('fires timers in the order in which they fall due, each at its own time', async () => {
    const clock = new FakeClock(1_000);
    const fired: [string, number][] = [];
    const note = (name: string): void => void fired.push([name, clock.now()]);
    const stop = clock.every(40, () => note('tick'));
    void clock.sleep(50).then(async () => {
      note('first sleep');
      await clock.sleep(30);
      note('second sleep');
    });
    await clock.advance(100);
    stop();
    await clock.advance(100);
    expect(fired).toEqual([
      ['tick', 1_040],
      ['first sleep', 1_050],
      ['tick', 1_080],
      ['second sleep', 1_080],
    ]);
    expect([clock.now(), clock.monotonic(), clock.pendingTimers]).toEqual([1_200, 200, 0]);
  });

  it('ends a sleep with the reason of its signal', async () => {
    const clock = new FakeClock();
    const reason = new Error('stopping');
    const aborter = new AbortController();
    const slept = clock.sleep(10, aborter.signal);
    aborter.abort(reason);
    await expect(slept).rejects.toBe(reason);
    await expect(clock.sleep(10, aborter.signal)).rejects.toBe(reason);
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets the wall clock jump without time passing', () => {
    const clock = new FakeClock(1_000);
    clock.setWall(500);
    expect([clock.now(), clock.monotonic()]).toEqual([500, 0]);
  });
});
