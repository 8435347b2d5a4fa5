import type { Logger } from '@trailpush/core';

/** What is wrong with the log at the moment; tells the logger when a trouble begins and ends. */
export class LogHealth {
  readonly #logger: Logger;
  /** By the part that has the trouble: a reader at damaged bytes is not well because another one is. */
  readonly #troubles = new Map<object, string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  failed(part: object, trouble: string): void {
    if (this.#troubles.get(part) === trouble) return;
    this.#troubles.set(part, trouble);
    this.#logger.error({ trouble }, 'The embedded log does not work.');
  }

  worked(part: object): void {
    const trouble = this.#troubles.get(part);
    if (trouble === undefined) return;
    this.#troubles.delete(part);
    this.#logger.info({ trouble }, 'The embedded log works again.');
  }

  /** The part is gone, and its trouble with it. */
  forget(part: object): void {
    this.#troubles.delete(part);
  }

  /** One sentence, or undefined while all is well. */
  sentence(): string | undefined {
    const [trouble] = this.#troubles.values();
    return trouble;
  }
}
