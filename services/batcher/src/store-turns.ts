import { StoreUnavailableError, type Clock, type Logger } from '@trailpush/core';

const STORE_RETRY_MS = 1000;

/** Ownership of the partition has passed on: everything in memory about it is void. */
export class LostPartitionError extends Error {
  constructor() {
    super('another process owns the partition by now');
  }
}

/** Calls of a store, one at a time, each repeated until it is answered. */
export class StoreTurns {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: { clock: Clock; logger: Logger; signal: AbortSignal }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#signal = options.signal;
  }

  /** Runs when all turns before it have ended. Rejects, without running, once the signal has aborted. */
  async take<T>(turn: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(() => {
      this.#signal.throwIfAborted();
      return turn();
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** A store that is away is waited for: nothing may be forgotten, and nothing may be assumed. */
  async repeat<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        this.#logger.warn({ error: error.message }, 'the progress store is away, trying again');
        await this.#clock.sleep(STORE_RETRY_MS, this.#signal);
      }
    }
  }

  /** Resolves when no turn is under way; after an abort there will be no other. */
  async settled(): Promise<void> {
    await this.#last;
  }
}
