import type { Clock } from '@trailpush/core';

/** Lets one loop sleep until there is something to do. A notification during its work is not lost. */
export class Wake {
  readonly #clock: Clock;
  #notified = false;
  #sleeping: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  notify(): void {
    this.#notified = true;
    this.#sleeping?.abort();
  }

  /** Returns at the next notification, or after `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.#notified) {
      this.#sleeping = new AbortController();
      // It only ever rejects because of our own signal.
      await this.#clock.sleep(ms, this.#sleeping.signal).catch(() => undefined);
      this.#sleeping = undefined;
    }
    this.#notified = false;
  }
}
