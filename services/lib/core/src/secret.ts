import { inspect } from 'node:util';

/** What a secret is shown as, everywhere. Sent back by a client it means "unchanged". */
export const REDACTED = 'REDACTED';

/**
 * A text that must not leak: it prints as `REDACTED` in logs, JSON, templates and inspection, and is
 * read only by an explicit `reveal()`.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
