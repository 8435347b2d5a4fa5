import type { Clock } from '@trailpush/core';

/** The time of one process: when it is killed, nothing that waits on it ever goes on. */
export class MortalClock implements Clock {
  readonly #clock: Clock;
  #alive = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  kill(): void {
    this.#alive = false;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(ms, signal);
    } finally {
      if (!this.#alive) await new Promise(() => undefined);
    }
  }

  every(ms: number, tick: () => void): () => void {
    const stop = this.#clock.every(ms, () => {
      if (this.#alive) tick();
      else stop();
    });
    return stop;
  }
}
