import type { Clock } from '@trailpush/core';

interface Timer {
  dueMs: number;
  /** Undefined fires once. */
  readonly everyMs: number | undefined;
  readonly fire: () => void;
}

/** A clock that stands still until a test turns it. */
export class FakeClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  /** In the order in which they were set, which breaks ties. */
  readonly #timers = new Set<Timer>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (): void => {
        this.#timers.delete(timer);
        reject(signal?.reason as Error);
      };
      const fire = (): void => {
        signal?.removeEventListener('abort', fail);
        resolve();
      };
      const timer: Timer = { dueMs: this.#elapsedMs + ms, everyMs: undefined, fire };
      if (signal?.aborted === true) {
        fail();
        return;
      }
      signal?.addEventListener('abort', fail, { once: true });
      this.#timers.add(timer);
    });
  }

  every(ms: number, tick: () => void): () => void {
    const timer: Timer = { dueMs: this.#elapsedMs + ms, everyMs: ms, fire: tick };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Sleeps and ticks that have been set and not ended: zero when a test has left nothing behind. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Turns both times on, firing what falls due in order; promises settle between two timers. */
  async advance(ms: number): Promise<void> {
    const targetMs = this.#elapsedMs + ms;
    for (;;) {
      await settle();
      const next = this.#nextDue();
      if (next === undefined || next.dueMs > targetMs) break;
      this.#moveTo(next.dueMs);
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.dueMs += next.everyMs;
      next.fire();
    }
    this.#moveTo(targetMs);
    await settle();
  }

  /** Sets the wall clock alone, as an administrator or NTP does. No timer fires. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  #nextDue(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    }
    return next;
  }

  #moveTo(elapsedMs: number): void {
    this.#wallMs += elapsedMs - this.#elapsedMs;
    this.#elapsedMs = elapsedMs;
  }
}

/** One turn of the event loop: every promise that can settle without time or input has settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
