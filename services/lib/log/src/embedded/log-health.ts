import type { Logger } from '@trailpush/core';

/** What is wrong with the log at the moment; tells the logger when that begins and ends. */
export class LogHealth {
  readonly #logger: Logger;
  readonly #troubles = new Map<'append' | 'read' | 'retention', string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  failed(activity: 'append' | 'read' | 'retention', trouble: string): void {
    if (this.#troubles.get(activity) === trouble) return;
    this.#troubles.set(activity, trouble);
    this.#logger.error({ activity, trouble }, 'The embedded log does not work.');
  }

  worked(activity: 'append' | 'read' | 'retention'): void {
    if (!this.#troubles.delete(activity)) return;
    this.#logger.info({ activity }, 'The embedded log works again.');
  }

  /** One sentence, or undefined while all is well. */
  sentence(): string | undefined {
    const [trouble] = this.#troubles.values();
    return trouble;
  }
}
