import {
  MAX_SAVED_QUERIES,
  type Clock,
  type EventsOf,
  type SavedQuery,
  type SavedQueryStore,
} from '@trailpush/core';

import type { MemoryOutbox } from './memory-outbox.ts';

/** Saved queries without a database. */
export class MemorySavedQueries implements SavedQueryStore {
  readonly #clock: Clock;
  readonly #outbox: MemoryOutbox;
  readonly #queries = new Map<string, SavedQuery>();

  constructor(clock: Clock, outbox: MemoryOutbox) {
    this.#clock = clock;
    this.#outbox = outbox;
  }

  async create(
    query: Parameters<SavedQueryStore['create']>[0],
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined> {
    if (this.#of(query.accountId).length >= MAX_SAVED_QUERIES) return undefined;
    const nowMs = this.#clock.now();
    return this.#set({ ...query, createdAtMs: nowMs, updatedAtMs: nowMs }, events);
  }

  async get(accountId: string, id: string): Promise<SavedQuery | undefined> {
    return this.#queries.get(`${accountId} ${id}`);
  }

  async list(accountId: string): Promise<readonly SavedQuery[]> {
    return this.#of(accountId);
  }

  async update(
    accountId: string,
    id: string,
    change: Pick<SavedQuery, 'name' | 'query'>,
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined> {
    const stored = await this.get(accountId, id);
    return stored && this.#set({ ...stored, ...change, updatedAtMs: this.#clock.now() }, events);
  }

  async delete(
    accountId: string,
    id: string,
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined> {
    const stored = await this.get(accountId, id);
    if (stored && events) this.#outbox.add(events(stored));
    this.#queries.delete(`${accountId} ${id}`);
    return stored;
  }

  #of(accountId: string): SavedQuery[] {
    return [...this.#queries.values()].filter((each) => each.accountId === accountId);
  }

  #set(query: SavedQuery, events: EventsOf<SavedQuery> | undefined): SavedQuery {
    if (events) this.#outbox.add(events(query));
    this.#queries.set(`${query.accountId} ${query.id}`, query);
    return query;
  }
}
