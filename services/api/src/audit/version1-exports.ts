import { Readable } from 'node:stream';

import type { AuditEntry, Clock } from '@trailpush/core';

import { ApiError, CODE } from '../envelope.ts';
import { CSV_HEADER, csvRowOf } from './version1-item.ts';
import type { Version1Log, Version1Search } from './version1-log.ts';

/** Exports at a time: each holds some MiB for as long as its client takes. */
const MAX_EXPORTS = 16;
/** A client that takes nothing for so long is gone, though its connection may not be. */
const STALL_MS = 60_000;
const LOOK_MS = 5000;

/** CSV of everything that a query finds. */
export class Version1Exports {
  readonly #log: Pick<Version1Log, 'all'>;
  readonly #clock: Pick<Clock, 'every' | 'monotonic'>;
  #running = 0;

  constructor(log: Pick<Version1Log, 'all'>, clock: Pick<Clock, 'every' | 'monotonic'>) {
    this.#log = log;
    this.#clock = clock;
  }

  /**
   * Resolves when the first part was found, so that what is wrong then is an answer. Later trouble, and a
   * client that takes nothing for a minute, destroys the stream with an error.
   * @throws ApiError 429; StoreUnavailableError
   */
  async open(search: Version1Search): Promise<Readable> {
    if (this.#running >= MAX_EXPORTS) {
      const message = `${MAX_EXPORTS} exports of audit logs are running: try again when one has ended`;
      throw new ApiError(429, [{ code: CODE.unavailable, message }]);
    }
    this.#running += 1;
    const parts = this.#log.all(search);
    const first = await parts.next().catch((error: unknown) => {
      this.#running -= 1;
      throw error;
    });
    const waiting: { sinceMs: number | undefined } = { sinceMs: undefined };
    const text = this.#textOf(first.value ?? [], parts, waiting);
    const stream = Readable.from(text, { objectMode: false });
    const stopWatch = this.#clock.every(LOOK_MS, () => {
      const { sinceMs } = waiting;
      if (sinceMs === undefined || this.#clock.monotonic() - sinceMs < STALL_MS) return;
      stream.destroy(new Error(`the client took nothing for ${STALL_MS / 1000} s`));
    });
    stream.once('close', () => {
      stopWatch();
      this.#running -= 1;
    });
    return stream;
  }

  async *#textOf(
    first: readonly AuditEntry[],
    parts: AsyncIterable<readonly AuditEntry[]>,
    waiting: { sinceMs: number | undefined },
  ): AsyncGenerator<string, void, void> {
    waiting.sinceMs = this.#clock.monotonic();
    yield CSV_HEADER + first.map(csvRowOf).join('');
    waiting.sinceMs = undefined;
    for await (const entries of parts) {
      if (entries.length === 0) continue;
      waiting.sinceMs = this.#clock.monotonic();
      yield entries.map(csvRowOf).join('');
      waiting.sinceMs = undefined;
    }
  }
}
