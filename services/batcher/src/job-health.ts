import type { Clock, Verdict } from '@trailpush/core';
import { backoffMs } from '@trailpush/runtime';
import { Wakeup } from './wakeup.ts';

const RETRY = { baseMs: 1000, capMs: 300_000 };
/** A person must act first, so probing may be slower still. */
const REFUSED = { baseMs: 2000, capMs: 900_000 };
/** An answer "at once" to a failure helps nobody, and R2 wants a second between puts of one key. */
const MIN_WAIT_MS = 1000;
/** A waiting delivery looks again this often even if nobody tells it to. */
const MAX_NAP_MS = 60_000;

/**
 * Whether a job's destination takes what it is sent. Back-off belongs to the destination, not to a
 * batch: while it fails, one delivery at a time probes it and all others wait.
 */
export class JobHealth {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #changed = new Wakeup();
  #failures = 0;
  #failingSinceMs: number | undefined;
  #nextAttemptAtMs = 0;
  #probing = false;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get failing(): boolean {
    return this.#failingSinceMs !== undefined;
  }

  /** How long it has been failing without one success; 0 while it is well. */
  get failingForMs(): number {
    return this.#failingSinceMs === undefined ? 0 : this.#clock.monotonic() - this.#failingSinceMs;
  }

  /** Until the next probe, milliseconds. */
  get backoffMs(): number {
    return this.failing ? Math.max(0, this.#nextAttemptAtMs - this.#clock.monotonic()) : 0;
  }

  /** Waits until an attempt may be made, and takes the turn. Must be followed by one of the three below. */
  async turn(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (!this.failing) return;
      const waitMs = this.backoffMs;
      if (waitMs === 0 && !this.#probing) {
        this.#probing = true;
        return;
      }
      await this.#changed.wait(this.#clock, Math.min(waitMs || MAX_NAP_MS, MAX_NAP_MS), signal);
    }
  }

  /** Gives a turn back without an attempt. */
  yieldTurn(): void {
    this.#probing = false;
    this.#changed.notify();
  }

  succeeded(): void {
    this.#failures = 0;
    this.#failingSinceMs = undefined;
    this.yieldTurn();
  }

  failed(verdict: Verdict): void {
    this.#failures++;
    this.#failingSinceMs ??= this.#clock.monotonic();
    const curve = verdict.kind === 'retry' || verdict.kind === 'throttled' ? RETRY : REFUSED;
    const atLeastMs = verdict.kind === 'throttled' ? verdict.retryAfterMs : MIN_WAIT_MS;
    const waitMs = Math.max(atLeastMs, backoffMs(this.#failures, { ...curve, random: this.#random }));
    this.#nextAttemptAtMs = this.#clock.monotonic() + waitMs;
    this.yieldTurn();
  }

  /** The job was changed by a person: try at once. */
  reset(): void {
    this.#nextAttemptAtMs = 0;
    this.#failures = 0;
    this.#changed.notify();
  }
}
