import { setTimeout as delay } from 'node:timers/promises';

import type { Clock } from '@trailpush/core';

/** The real time. Only composition roots hand it out. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted();
    try {
      await delay(ms, undefined, signal ? { signal } : {});
    } catch (error) {
      // Node wraps the reason in an AbortError; callers compare with the reason itself.
      signal?.throwIfAborted();
      throw error;
    }
  },
  every(ms, tick) {
    const timer = setInterval(tick, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};
