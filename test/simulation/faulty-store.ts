import { StoreUnavailableError, type Clock } from '@trailpush/core';
import type { SeededRandom } from '../kit/random.ts';
import { StoreFaults } from '../kit/store-faults.ts';
import type { Boundary } from './boundary.ts';
import type { Counts } from './counts.ts';

/** How long a call takes when all is well, there and back. */
const MAX_LATENCY_MS = 4;

export interface StoreWatcher {
  /** After a call has taken effect, before it is answered. */
  took(name: string): void;
}

/** Between a process and its store: slow, away, failing, or losing its answers. */
export class FaultyStore extends StoreFaults {
  isAway = false;
  failRate = 0;
  loseAnswerRate = 0;
  maxLatencyMs = MAX_LATENCY_MS;
  readonly #boundary: Boundary;
  readonly #time: Clock;
  readonly #random: SeededRandom;
  readonly #watcher: StoreWatcher;
  readonly #counts: Counts;

  constructor(options: {
    boundary: Boundary;
    clock: Clock;
    random: SeededRandom;
    watcher: StoreWatcher;
    counts: Counts;
  }) {
    super(options.clock);
    this.#boundary = options.boundary;
    this.#time = options.clock;
    this.#random = options.random;
    this.#watcher = options.watcher;
    this.#counts = options.counts;
  }

  heal(): void {
    this.isAway = false;
    this.failRate = 0;
    this.loseAnswerRate = 0;
    this.maxLatencyMs = MAX_LATENCY_MS;
  }

  override pass<T>(name: string, run: () => T): Promise<T> {
    return this.#boundary.call(async () => {
      await this.#travel();
      if (this.isAway || this.#random.chance(this.failRate)) {
        this.#counts.add('store call failed');
        throw new StoreUnavailableError('the store is away');
      }
      const result = run();
      this.#watcher.took(name);
      await this.#travel();
      if (this.#random.chance(this.loseAnswerRate)) {
        this.#counts.add('store answer lost');
        throw new StoreUnavailableError(`no answer to ${name}`);
      }
      return result;
    });
  }

  async #travel(): Promise<void> {
    const ms = this.#random.between(0, this.maxLatencyMs);
    if (ms > 0) await this.#time.sleep(ms);
  }
}
