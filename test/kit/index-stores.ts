import { StoreUnavailableError, type AuditStore } from '@trailpush/core';

/** What the indexer needs of an audit store. */
export type IndexStore = Pick<AuditStore, 'position' | 'append'>;

/** A store that stores when it is told to. */
export class SlowStore implements IndexStore {
  /** Of batches that it was given. */
  readonly sizes: number[] = [];
  readonly #store: IndexStore;
  #wait = Promise.withResolvers<undefined>();

  constructor(store: IndexStore) {
    this.#store = store;
  }

  release(): void {
    this.#wait.resolve(undefined);
    this.#wait = Promise.withResolvers<undefined>();
  }

  position(...at: Parameters<AuditStore['position']>) {
    return this.#store.position(...at);
  }

  async append(batch: Parameters<AuditStore['append']>[0]) {
    this.sizes.push(batch.entries.length);
    await this.#wait.promise;
    return this.#store.append(batch);
  }
}

/** A store whose answers get lost. */
export class FlakyStore implements IndexStore {
  isAway = false;
  fate: () => 'answer' | 'fail' | 'lose the answer' = () => 'answer';
  readonly #store: IndexStore;

  constructor(store: IndexStore) {
    this.#store = store;
  }

  position(...at: Parameters<AuditStore['position']>) {
    return this.#pass(() => this.#store.position(...at));
  }

  append(batch: Parameters<AuditStore['append']>[0]) {
    return this.#pass(() => this.#store.append(batch));
  }

  async #pass<Result>(call: () => Promise<Result>): Promise<Result> {
    const fate = this.isAway ? 'fail' : this.fate();
    if (fate === 'fail') throw new StoreUnavailableError('the store is away');
    const result = await call();
    if (fate === 'answer') return result;
    throw new StoreUnavailableError('no answer');
  }
}
