import PQueue from 'p-queue';

import { ApiError, CODE } from '../envelope.ts';

/** Queries at a time: each may hold a page in memory. */
const CONCURRENCY = 8;
const MAX_WAITING = 256;

/** Lets a few queries of the audit store run at a time. */
export class QueryGate {
  readonly #queue = new PQueue({ concurrency: CONCURRENCY });

  /** @throws ApiError 429 when too many wait already */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#queue.size < MAX_WAITING) return this.#queue.add(work);
    const message = 'too many queries of audit logs at once: try again in a moment';
    throw new ApiError(429, [{ code: CODE.unavailable, message }]);
  }
}
