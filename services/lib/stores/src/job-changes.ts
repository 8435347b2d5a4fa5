import { StoreUnavailableError, type Clock, type Logger } from '@trailpush/core';

/** Behind the notifications, which can be lost with their connection. */
const POLL_INTERVAL_MS = 5_000;

export interface JobChangesOptions {
  /** The stored counter of job changes. */
  readonly readVersion: () => Promise<number>;
  /** Starts to listen for changes of other processes; returns what ends it. Undefined: there are none. */
  readonly listen: ((onVersion: (version: number) => void) => () => Promise<void>) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells watchers of changed jobs: of those that this process makes at once, of others by notification
 * or by looking at the stored counter. The first look always counts as a change, so that nothing
 * that happened between loading and watching is missed.
 */
export class JobChanges {
  readonly #options: JobChangesOptions;
  readonly #watchers = new Set<() => void>();
  #version: number | undefined;
  #stop: (() => Promise<void>) | undefined;
  #look: Promise<void> | undefined;

  constructor(options: JobChangesOptions) {
    this.#options = options;
  }

  /** Tells the watchers, unless they know this version. */
  observe(version: number): void {
    if (version === this.#version) return;
    this.#version = version;
    for (const onChange of this.#watchers) onChange();
  }

  async watch(onChange: () => void): Promise<() => Promise<void>> {
    // Each watcher is its own, even if two share a function.
    const watcher = (): void => onChange();
    this.#watchers.add(watcher);
    this.#stop ??= this.#start();
    return async () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) await this.#end();
    };
  }

  async close(): Promise<void> {
    this.#watchers.clear();
    await this.#end();
  }

  #start(): () => Promise<void> {
    const { clock, listen } = this.#options;
    const endListening = listen?.((version) => this.observe(version));
    const endPolling = clock.every(POLL_INTERVAL_MS, () => {
      this.#look ??= this.#poll().finally(() => {
        this.#look = undefined;
      });
    });
    return async () => {
      endPolling();
      await Promise.all([endListening?.(), this.#look]);
    };
  }

  async #end(): Promise<void> {
    const stop = this.#stop;
    this.#stop = undefined;
    await stop?.();
  }

  async #poll(): Promise<void> {
    try {
      this.observe(await this.#options.readVersion());
    } catch (error) {
      // The store's health says so, and the next look is near.
      if (error instanceof StoreUnavailableError) return;
      this.#options.logger.error({ err: error }, 'looking for changed jobs failed');
    }
  }
}
