import {
  MAX_KEPT_ATTEMPTS,
  messageOf,
  type Attempt,
  type HealthStore,
  type Logger,
} from '@trailpush/core';

/** Jobs whose attempts wait to be stored; of more, the oldest are not kept. */
const MAX_WAITING_JOBS = 10_000;

/** Gathers attempts, so that the store is asked now and then and not with each one. */
export class AttemptRecorder {
  readonly #store: HealthStore;
  readonly #logger: Logger;
  #waiting = new Map<number, Attempt[]>();
  #flushing: Promise<void> | undefined;

  constructor(store: HealthStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  add(attempt: Attempt): void {
    const waiting = this.#waiting.get(attempt.jobId);
    if (!waiting) {
      const [oldest] = this.#waiting.keys();
      if (this.#waiting.size >= MAX_WAITING_JOBS && oldest !== undefined) {
        this.#waiting.delete(oldest);
      }
      this.#waiting.set(attempt.jobId, [attempt]);
      return;
    }
    waiting.push(attempt);
    if (waiting.length > MAX_KEPT_ATTEMPTS) waiting.shift();
  }

  /** One at a time. What a store that is away does not take is kept for the next one, and bounded. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    try {
      await this.#store.recordAttempts([...waiting.values()].flat());
    } catch (error) {
      this.#logger.warn({ error: messageOf(error) }, 'attempts could not be stored yet');
      const newer = this.#waiting;
      this.#waiting = waiting;
      for (const attempts of newer.values()) for (const attempt of attempts) this.add(attempt);
    }
  }
}
