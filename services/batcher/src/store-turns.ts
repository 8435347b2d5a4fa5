import { StoreUnavailableError, type Clock, type Logger } from '@trailpush/core';

const STORE_RETRY_MS = 1000;
/** Turns that are one turn. */
const MAX_TOGETHER = 16;

/** Ownership of the partition has passed on: everything in memory about it is void. */
export class LostPartitionError extends Error {
  constructor() {
    super('another process owns the partition by now');
  }
}

/** What a store is asked about one job. */
interface Waiting {
  readonly jobId: number;
  readonly run: () => Promise<void>;
  readonly reject: (error: unknown) => void;
}

/** Turns about different jobs, which do not mind one another. `prepare` runs before any of them. */
export class Gathering {
  readonly prepare: () => Promise<void>;
  #waiting: Waiting[] = [];
  isTaking = false;

  constructor(prepare: () => Promise<void>) {
    this.prepare = prepare;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  /** The first of each job, in order. */
  next(): readonly Waiting[] {
    const jobs = new Set<number>();
    const next: Waiting[] = [];
    const later: Waiting[] = [];
    for (const one of this.#waiting) {
      if (next.length === MAX_TOGETHER || jobs.has(one.jobId)) later.push(one);
      else next.push(one);
      jobs.add(one.jobId);
    }
    this.#waiting = later;
    return next;
  }

  rejectAll(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
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

  /** Like `take`, with work in front: what the turn would look at may have been given up while that waited. */
  async takeAfter<T>(prepare: () => Promise<void>, turn: () => Promise<T>): Promise<T> {
    return this.take(async () => {
      await prepare();
      this.#signal.throwIfAborted();
      return turn();
    });
  }

  /**
   * Like `take`; turns of one gathering that wait at the same time run side by side in one turn, so that
   * the store can answer them together.
   */
  async takeTogether<T>(of: Gathering, jobId: number, turn: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    of.add({ jobId, run: () => turn().then(resolve, reject), reject });
    if (!of.isTaking) void this.#takeAll(of);
    return promise;
  }

  async #takeAll(of: Gathering): Promise<void> {
    of.isTaking = true;
    try {
      while (!of.isEmpty) {
        await this.takeAfter(of.prepare, async () => {
          await Promise.all(of.next().map(({ run }) => run()));
        });
      }
    } catch (error) {
      of.rejectAll(error);
    } finally {
      of.isTaking = false;
    }
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
