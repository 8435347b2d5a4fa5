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

/** Leave to make one attempt; ended by exactly one of `endTurn`, `succeeded` and `failed`. */
export interface Turn {
  /** True when the destination was failing: no other attempt is then under way that began so. */
  readonly isProbe: boolean;
}

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

  /**
   * Waits until an attempt may be made, and takes the turn. While the destination fails, only who
   * `mayProbe` gets one. Rejects when the signal aborts.
   */
  async turn(signal: AbortSignal, mayProbe: () => boolean): Promise<Turn> {
    for (;;) {
      signal.throwIfAborted();
      if (!this.failing) return { isProbe: false };
      const waitMs = this.backoffMs;
      if (waitMs === 0 && !this.#probing && mayProbe()) {
        this.#probing = true;
        return { isProbe: true };
      }
      const ms = Math.min(waitMs || MAX_NAP_MS, MAX_NAP_MS);
      await this.#changed.wait(signal, { clock: this.#clock, ms });
    }
  }

  /** Gives a turn back without a verdict. */
  endTurn({ isProbe }: Turn): void {
    if (!isProbe) return;
    this.#probing = false;
    this.#changed.notify();
  }

  succeeded(turn: Turn): void {
    this.#failures = 0;
    this.#failingSinceMs = undefined;
    this.endTurn(turn);
    this.#changed.notify();
  }

  failed(turn: Turn, verdict: Verdict): void {
    // Attempts that were under way when the first one failed tell nothing new.
    const isNews = turn.isProbe || !this.failing;
    if (isNews) this.#failures++;
    this.#failingSinceMs ??= this.#clock.monotonic();
    let waitMs = 0;
    if (isNews) {
      const curve = verdict.kind === 'retry' || verdict.kind === 'throttled' ? RETRY : REFUSED;
      waitMs = Math.max(MIN_WAIT_MS, backoffMs(this.#failures, { ...curve, random: this.#random }));
    }
    // How long to stay away is always news.
    if (verdict.kind === 'throttled') waitMs = Math.max(waitMs, verdict.retryAfterMs);
    const atMs = this.#clock.monotonic() + waitMs;
    this.#nextAttemptAtMs = isNews ? atMs : Math.max(this.#nextAttemptAtMs, atMs);
    this.endTurn(turn);
  }

  /** Somebody else may probe by now. */
  lookAgain(): void {
    this.#changed.notify();
  }

  /** The job was changed by a person: try at once. */
  reset(): void {
    this.#nextAttemptAtMs = 0;
    this.#failures = 0;
    this.#changed.notify();
  }
}
