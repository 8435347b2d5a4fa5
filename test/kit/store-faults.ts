import { StoreUnavailableError, type Clock } from '@trailpush/core';

/** What happens to one call: nothing of it, all of it, or all of it without an answer. */
export type CallFate = 'answer' | 'fail' | 'lose answer' | 'hang before' | 'hang after';

/**
 * Between a process and its store: every call can be slow, fail, lose its answer, or never come back,
 * as when the process is killed there.
 */
export class StoreFaults {
  /** Milliseconds before a call takes effect. */
  latencyMs: () => number = () => 0;
  /** Milliseconds from the effect of a call to its answer. */
  answerMs: (name: string) => number = () => 0;
  /** Asked at each call, which is numbered from 1. */
  fateOf: (call: { name: string; number: number }) => CallFate = () => 'answer';
  /** While set, every call fails without effect. */
  unavailable = false;
  /** Set by a kill: no call takes effect any more. */
  severed = false;
  /** Told of a call that never comes back. */
  onHang: () => void = () => undefined;
  calls = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async pass<T>(name: string, run: () => T): Promise<T> {
    const number = ++this.calls;
    const fate = this.fateOf({ name, number });
    const latencyMs = this.latencyMs();
    if (latencyMs > 0) await this.#clock.sleep(latencyMs);
    if (this.severed) return never();
    if (fate === 'hang before') {
      this.onHang();
      return never();
    }
    if (this.unavailable || fate === 'fail') throw new StoreUnavailableError('the store is away');
    const result = run();
    if (fate === 'hang after') {
      this.onHang();
      return never();
    }
    if (fate === 'lose answer') throw new StoreUnavailableError(`no answer to ${name}`);
    const answerMs = this.answerMs(name);
    if (answerMs > 0) await this.#clock.sleep(answerMs);
    return result;
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
