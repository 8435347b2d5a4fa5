import type {
  DeadLetter,
  DeadLetterQuery,
  DeadLetterStore,
  DeadLetterSummary,
} from '@trailpush/core';
import type { MemoryStores } from './memory-stores.ts';

/** Dead letters of one set of memory stores, as people look at them. */
export class MemoryDeadLetters implements DeadLetterStore {
  readonly #stores: MemoryStores;

  constructor(stores: MemoryStores) {
    this.#stores = stores;
  }

  async list({ accountId, jobId, reason, before, limit }: DeadLetterQuery) {
    return this.#stores.deadLetters
      .filter((letter) => accountId === null || letter.accountId === accountId)
      .filter((letter) => jobId === undefined || letter.jobId === jobId)
      .filter((letter) => reason === undefined || letter.reason === reason)
      .filter((letter) => before === undefined || letter.id < before)
      .slice(-limit)
      .toReversed()
      .map(summaryOf);
  }

  async get(id: number) {
    return this.#stores.deadLetters.find((letter) => letter.id === id);
  }

  async markResent(id: number, atMs: number) {
    const { deadLetters } = this.#stores;
    const at = deadLetters.findIndex((letter) => letter.id === id);
    const known = deadLetters[at];
    if (known) deadLetters[at] = { ...known, resentAtMs: atMs };
  }
}

function summaryOf(letter: DeadLetter): DeadLetterSummary {
  const { id, topic, partition, offset, jobId, accountId, reason, message } = letter;
  const { timestampMs, seenAtMs, resentAtMs, value } = letter;
  return {
    ...{ id, topic, partition, offset, jobId, accountId, reason, message },
    ...{ timestampMs, seenAtMs, resentAtMs, valueBytes: value?.length ?? null },
  };
}
