import type { Clock, Verdict } from '@trailpush/core';
import { backoffMs } from '@trailpush/runtime';
import { Wakeup } from './wakeup.ts';

const RETRY = { baseMs: 1000, capMs: 300_000 };
/** A person must act first, so probing may be slower still. */
const REFUSED = { baseMs: 2000, capMs: 900_000 };
/** Whether it was the body's fault is soon found out, as long as others come. */
const REJECTED = { baseMs: 2000, capMs: 60_000 };
/** An answer "at once" to a failure helps nobody, and R2 wants a second between puts of one key. */
const MIN_WAIT_MS = 1000;
const CURVES: Readonly<Record<Verdict['kind'], typeof RETRY>> = {
  ...{ delivered: RETRY, retry: RETRY, throttled: RETRY },
  ...{ refused: REFUSED, rejected: REJECTED, too_large: REJECTED },
};
/** Of the proof that a destination takes objects, when one record is refused again and again. */
const PROOF_MS = 60_000;
/** Batches are not made smaller than this, whatever a receiver finds too large. */
const MIN_MAX_BYTES = 32 * 1024;
/** A waiting delivery looks again this often even if nobody tells it to. */
const MAX_NAP_MS = 60_000;

/** Leave to make one attempt; ended by exactly one of `endTurn`, `succeeded` and `failed`. */
export interface Turn {
  /** True when the destination was failing: no other attempt is then under way that began so. */
  readonly isProbe: boolean;
}

/** Who asks for a turn. Asked again and again, since both may change. */
export interface Applicant {
  /** True for the first delivery in its line. */
  isHead(): boolean;
  /** True when it was refused as such and nothing has passed since. */
  isSuspect(): boolean;
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
  /** Those who wait for a turn, in the order in which they asked. */
  readonly #line = new Set<Applicant>();
  #passes = 0;
  #lastPassMs = Number.NEGATIVE_INFINITY;
  #wantsWitness = false;
  #maxBytes = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get failing(): boolean {
    return this.#failingSinceMs !== undefined;
  }

  /** Objects that were delivered since this process knows the job. */
  get passes(): number {
    return this.#passes;
  }

  /** True while a record was refused alone and nothing has passed since. */
  get wantsWitness(): boolean {
    return this.#wantsWitness;
  }

  /** What the destination has not yet found too large, in bytes of a payload. */
  get maxBytes(): number {
    return this.#maxBytes;
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
   * Waits until an attempt may be made, and takes the turn. While the destination fails, one at a time
   * gets one: the head of a line, or anybody when a witness is wanted, those first that were not refused
   * themselves. Rejects when the signal aborts.
   */
  async turn(signal: AbortSignal, applicant: Applicant): Promise<Turn> {
    this.#line.add(applicant);
    try {
      for (;;) {
        signal.throwIfAborted();
        if (!this.failing) return { isProbe: false };
        const waitMs = this.backoffMs;
        if (waitMs === 0 && !this.#probing && this.#next() === applicant) {
          this.#probing = true;
          return { isProbe: true };
        }
        const ms = Math.min(waitMs || MAX_NAP_MS, MAX_NAP_MS);
        await this.#changed.wait(signal, { clock: this.#clock, ms });
      }
    } finally {
      this.#line.delete(applicant);
      if (this.failing) this.#changed.notify();
    }
  }

  /** Whose turn it is while the destination fails. Who has had one is behind all others in the line. */
  #next(): Applicant | undefined {
    const line = [...this.#line];
    if (!this.#wantsWitness) return line.find((applicant) => applicant.isHead());
    return line.find((applicant) => !applicant.isSuspect()) ?? line[0];
  }

  /** Gives a turn back without a verdict. */
  endTurn({ isProbe }: Turn): void {
    if (!isProbe) return;
    this.#probing = false;
    this.#changed.notify();
  }

  succeeded(turn: Turn): void {
    this.#passes++;
    this.#lastPassMs = this.#clock.monotonic();
    this.#end();
    this.endTurn(turn);
    this.#changed.notify();
  }

  /** `isRemedied`: what was refused will come in another form, so that there is no use in waiting. */
  failed(turn: Turn, verdict: Verdict, isRemedied = false): void {
    // Attempts that were under way when the first one failed tell nothing new.
    const isNews = turn.isProbe || !this.failing;
    if (isNews && !isRemedied) this.#failures++;
    this.#failingSinceMs ??= this.#clock.monotonic();
    let waitMs = 0;
    if (isRemedied) waitMs = MIN_WAIT_MS;
    else if (isNews) {
      const curve = CURVES[verdict.kind];
      waitMs = Math.max(MIN_WAIT_MS, backoffMs(this.#failures, { ...curve, random: this.#random }));
    }
    // How long to stay away is always news.
    if (verdict.kind === 'throttled') waitMs = Math.max(waitMs, verdict.retryAfterMs);
    const atMs = this.#clock.monotonic() + waitMs;
    this.#nextAttemptAtMs = isNews ? atMs : Math.max(this.#nextAttemptAtMs, atMs);
    this.endTurn(turn);
  }

  /** A payload of so many bytes was too large: batches are made smaller from here on. */
  tooLarge(payloadBytes: number): void {
    this.#maxBytes = Math.min(
      this.#maxBytes,
      Math.max(MIN_MAX_BYTES, Math.floor(payloadBytes / 2)),
    );
  }

  /** A record was refused alone: others must show whether that is its own fault. */
  wantWitness(): void {
    this.#wantsWitness = true;
  }

  /** True when something has passed since there were so many passes, and not long ago. */
  hasPassedSince(passes: number): boolean {
    const isRecent = this.#clock.monotonic() - this.#lastPassMs <= PROOF_MS;
    return this.#passes > passes && isRecent;
  }

  /** The destination was shown to be well: what was refused was itself at fault, and is gone. */
  proven(): void {
    this.#end();
    this.#changed.notify();
  }

  /** Somebody else may probe by now. */
  lookAgain(): void {
    this.#changed.notify();
  }

  /** The job was changed by a person: try at once. */
  reset(): void {
    this.#nextAttemptAtMs = 0;
    this.#failures = 0;
    this.#maxBytes = Number.POSITIVE_INFINITY;
    this.#changed.notify();
  }

  #end(): void {
    this.#failures = 0;
    this.#failingSinceMs = undefined;
    this.#wantsWitness = false;
  }
}
