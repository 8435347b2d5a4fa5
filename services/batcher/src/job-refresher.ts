import { messageOf, StoreUnavailableError, type Clock, type Logger } from '@trailpush/core';
import { Wakeup } from './wakeup.ts';

const RETRY_MS = 1000;

/** Reads the jobs again when it is asked to, one read at a time, until the store has answered. */
export class JobRefresher {
  readonly #read: () => Promise<void>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  readonly #done = new Wakeup();
  /** How often it was asked, and how many of those a read has answered that began later. */
  #asked = 0;
  #answered = 0;
  #isReading = false;

  constructor(options: {
    read: () => Promise<void>;
    clock: Clock;
    logger: Logger;
    signal: AbortSignal;
  }) {
    this.#read = options.read;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#signal = options.signal;
  }

  /** Resolves when a read has ended that began after this call, or when the signal aborts. */
  async refresh(): Promise<void> {
    const mine = ++this.#asked;
    void this.#run();
    while (this.#answered < mine && !this.#signal.aborted) await this.#done.wait(this.#signal);
  }

  /** What is asked while a read is under way begins another one. Never rejects. */
  async #run(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#answered < this.#asked && !this.#signal.aborted) {
      const asked = this.#asked;
      try {
        await this.#read();
        this.#answered = asked;
        this.#done.notify();
      } catch (error) {
        const fields = { error: messageOf(error) };
        if (error instanceof StoreUnavailableError) {
          this.#logger.warn(fields, 'the jobs cannot be read yet, trying again');
        } else {
          this.#logger.error(fields, 'the jobs cannot be read, trying again');
        }
        await this.#clock.sleep(RETRY_MS, this.#signal).catch(() => undefined);
      }
    }
    this.#isReading = false;
  }
}
