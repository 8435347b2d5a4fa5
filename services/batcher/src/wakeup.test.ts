import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { Wakeup } from './wakeup.ts';

describe('a wake-up', () => {
  it('ends all waits that are under way, and none that begin later', async () => {
    const wakeup = new Wakeup();
    const { signal } = new AbortController();
    const waits = [wakeup.wait(signal), wakeup.wait(signal)];
    wakeup.notify();
    await Promise.all(waits);
    void wakeup.wait(signal);
    expect(wakeup.waiting).toBe(1);
  });

  it('ends a wait after its time, or when its signal aborts, also at once', async () => {
    const clock = new FakeClock();
    const wakeup = new Wakeup();
    const stop = new AbortController();
    let ended = 0;
    void wakeup.wait(stop.signal, { clock, ms: 100 }).then(() => ended++);
    await clock.advance(99);
    expect(ended).toBe(0);
    await clock.advance(1);
    expect(ended).toBe(1);
    const aborted = wakeup.wait(stop.signal, { clock, ms: 100 });
    stop.abort();
    await aborted;
    await wakeup.wait(stop.signal, { clock, ms: 100 });
    expect([wakeup.waiting, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('keeps nothing of ten thousand waits, however they ended', async () => {
    const clock = new FakeClock();
    const wakeup = new Wakeup();
    const { signal } = new AbortController();
    for (let i = 0; i < 10_000; i++) {
      const waiting = wakeup.wait(signal, { clock, ms: 10 });
      if (i % 2 === 0) wakeup.notify();
      else if (i % 101 === 0) await clock.advance(10);
      else wakeup.notify();
      await waiting;
    }
    expect([wakeup.waiting, clock.pendingTimers]).toEqual([0, 0]);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
