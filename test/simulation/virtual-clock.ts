import type { Clock } from '@trailpush/core';
import type { SeededRandom } from '../kit/random.ts';

const START_MS = Date.UTC(2026, 0, 1);

interface Timer {
  dueMs: number;
  /** Breaks ties among timers that are due at once. */
  order: number;
  readonly everyMs: number | undefined;
  readonly fire: () => void;
  ended: boolean;
}

/**
 * The time of a whole simulation and its scheduler: timers that are due at once fire in an order that
 * the seed decides, and all promises settle between two of them.
 */
export class VirtualClock implements Clock {
  readonly #random: SeededRandom;
  /** A binary heap, the next timer first. */
  readonly #heap: Timer[] = [];
  #elapsedMs = 0;
  /** Timers that have fired. */
  steps = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  now(): number {
    return START_MS + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const fail = (): void => {
        timer.ended = true;
        reject(signal?.reason as Error);
      };
      const timer = this.#add(ms, undefined, () => {
        signal?.removeEventListener('abort', fail);
        resolve();
      });
      signal?.addEventListener('abort', fail, { once: true });
    });
  }

  every(ms: number, tick: () => void): () => void {
    const timer = this.#add(ms, ms, tick);
    return () => (timer.ended = true);
  }

  /** Calls `fire` in `ms`. Returns what calls it off. */
  after(ms: number, fire: () => void): () => void {
    const timer = this.#add(ms, undefined, fire);
    return () => (timer.ended = true);
  }

  /** Turns time on up to `untilMs`, or until `isDone`, which is asked every `lookMs`. */
  async run(untilMs: number, isDone?: () => boolean, lookMs = 1000): Promise<void> {
    let nextLookMs = this.#elapsedMs;
    await settle();
    for (;;) {
      if (isDone && this.#elapsedMs >= nextLookMs) {
        if (isDone()) return;
        nextLookMs = this.#elapsedMs + lookMs;
      }
      const timer = this.#next(untilMs);
      if (!timer) break;
      this.#elapsedMs = timer.dueMs;
      this.steps++;
      timer.fire();
      await settle();
    }
    this.#elapsedMs = untilMs;
  }

  #add(ms: number, everyMs: number | undefined, fire: () => void): Timer {
    const timer = {
      ...{ dueMs: this.#elapsedMs + Math.max(0, ms), order: this.#random.next() },
      ...{ everyMs, fire, ended: false },
    };
    this.#push(timer);
    return timer;
  }

  /** Takes the next timer that has not ended out of the heap, if it is due by then. */
  #next(untilMs: number): Timer | undefined {
    for (;;) {
      const timer = this.#heap[0];
      if (!timer || (timer.dueMs > untilMs && !timer.ended)) return undefined;
      this.#pop();
      if (timer.ended) continue;
      if (timer.everyMs === undefined) timer.ended = true;
      else {
        // Fired, it may still be ended, so it is the same timer that goes back.
        const { everyMs } = timer;
        const dueMs = timer.dueMs;
        timer.dueMs += everyMs;
        timer.order = this.#random.next();
        this.#push(timer);
        return { ...timer, dueMs };
      }
      return timer;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up]!;
      if (!isBefore(timer, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = at * 2 + 1;
      const right = left + 1;
      let least = heap[left];
      if (!least) break;
      let next = left;
      const other = heap[right];
      if (other && isBefore(other, least)) {
        least = other;
        next = right;
      }
      if (!isBefore(least, last)) break;
      heap[at] = least;
      at = next;
    }
    heap[at] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/** One turn of the event loop: every promise that can settle without time has settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
