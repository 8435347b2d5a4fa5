import type { Clock } from '@trailpush/core';

/** Something that others wait for, again and again. Nothing is kept of a wait that has ended. */
export class Wakeup {
  readonly #waiting = new Set<() => void>();

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Ends the waits that are under way; those that begin later are not concerned. */
  notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next `notify`, or when the signal aborts; with a clock after `ms` at the latest. */
  async wait(signal: AbortSignal, limit?: { clock: Clock; ms: number }): Promise<void> {
    if (signal.aborted) return;
    const timer = new AbortController();
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        timer.abort();
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
      // An aborted sleep rejects: it was woken already.
      limit?.clock.sleep(limit.ms, timer.signal).then(wake, () => undefined);
    });
  }
}
