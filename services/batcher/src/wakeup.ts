import type { Clock } from '@trailpush/core';

/** Something that others wait for, again and again. */
export class Wakeup {
  #promise: Promise<void>;
  #resolve: () => void = () => undefined;

  constructor() {
    this.#promise = new Promise((resolve) => (this.#resolve = resolve));
  }

  notify(): void {
    this.#resolve();
    this.#promise = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** Resolves at the next `notify`, after `ms`, or when the signal aborts. */
  async wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const timer = new AbortController();
    const stop = () => timer.abort();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await Promise.race([this.#promise, clock.sleep(ms, timer.signal).catch(() => undefined)]);
    } finally {
      signal.removeEventListener('abort', stop);
      timer.abort();
    }
  }
}
