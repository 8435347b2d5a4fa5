import type { Clock } from '@trailpush/core';

const WINDOW_MS = 1000;

/** Lets so many records pass in each second, and none beyond that. */
export class Pace {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #left: number;
  #endsAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond;
  }

  /** False until the next second begins, once all of this one have passed. */
  get isOpen(): boolean {
    return this.#left > 0 || this.#clock.monotonic() >= this.#endsAtMs;
  }

  /** Lets one record pass, if there is one left. */
  pass(): boolean {
    if (!this.isOpen) return false;
    const nowMs = this.#clock.monotonic();
    if (nowMs >= this.#endsAtMs) {
      this.#endsAtMs = nowMs + WINDOW_MS;
      this.#left = this.#perSecond;
    }
    this.#left--;
    return true;
  }
}
