import type { Clock } from '@trailpush/core';

/**
 * The border between a process and all that lies outside. Whatever a process waits for comes over it, so
 * a process that is killed at any one crossing is one that is killed at any await, as seen from outside.
 */
export class Boundary {
  /** Crossings in either direction so far. */
  crossings = 0;
  /** The crossing at which the process dies. */
  dieAt = Number.POSITIVE_INFINITY;
  /** How far its wall clock is off. */
  wallOffsetMs = 0;
  readonly #onDeath: () => void;
  #isAlive = true;
  #thaw: (() => void) | undefined;
  #thawed: Promise<void> | undefined;

  constructor(onDeath: () => void) {
    this.#onDeath = onDeath;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isFrozen(): boolean {
    return this.#thawed !== undefined;
  }

  /** As SIGKILL: nothing that it waits for ever comes. */
  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#onDeath();
  }

  /** The end of the run: nobody is told. */
  end(): void {
    this.#isAlive = false;
    this.thaw();
  }

  /** As SIGSTOP: what comes meanwhile waits at the border. */
  freeze(): void {
    if (!this.isFrozen) this.#thawed = new Promise((resolve) => (this.#thaw = resolve));
  }

  /** As SIGCONT. */
  thaw(): void {
    this.#thawed = undefined;
    this.#thaw?.();
  }

  /** Resolves when the process runs; never, when it is dead or dies of this crossing. */
  async cross(): Promise<void> {
    while (this.#thawed) await this.#thawed;
    if (++this.crossings >= this.dieAt) this.kill();
    if (!this.#isAlive) await new Promise(() => undefined);
  }

  /** One call to the outside. */
  async call<T>(run: () => Promise<T>): Promise<T> {
    await this.cross();
    try {
      return await run();
    } finally {
      await this.cross();
    }
  }

  /** The time of this process. */
  clock(clock: Clock): Clock {
    return {
      now: () => clock.now() + this.wallOffsetMs,
      monotonic: () => clock.monotonic(),
      sleep: async (ms, signal) => {
        try {
          await clock.sleep(ms, signal);
        } finally {
          if (signal?.aborted !== true) await this.cross();
        }
      },
      every: (ms, tick) =>
        clock.every(ms, () => {
          if (this.#isAlive && !this.isFrozen) tick();
        }),
    };
  }
}
