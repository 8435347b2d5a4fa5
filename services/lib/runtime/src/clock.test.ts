import { describe, expect, it } from 'vitest';

import { systemClock } from './clock.ts';

describe('systemClock', () => {
  it('gives wall time and a monotonic time in milliseconds', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
    const first = systemClock.monotonic();
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(first);
  });

  it('ends a sleep with the reason of the signal', async () => {
    const reason = new Error('stopping');
    const aborter = new AbortController();
    const slept = systemClock.sleep(60_000, aborter.signal);
    aborter.abort(reason);
    await expect(slept).rejects.toBe(reason);
    await expect(systemClock.sleep(0, aborter.signal)).rejects.toBe(reason);
  });

  it('ticks until it is told to stop', async () => {
    let ticks = 0;
    await new Promise<void>((resolve) => {
      const stop = systemClock.every(1, () => {
        ticks += 1;
        if (ticks === 3) {
          stop();
          resolve();
        }
      });
    });
    await systemClock.sleep(10);
    expect(ticks).toBe(3);
  });
});
