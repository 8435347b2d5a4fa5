import type { ApiToken, Clock, EventsOf, NewToken, TokenStore } from '@trailpush/core';

import type { MemoryOutbox } from './memory-outbox.ts';

/** Tokens without a database. */
export class MemoryTokens implements TokenStore {
  readonly #clock: Clock;
  readonly #tokens = new Map<string, ApiToken>();
  readonly #outbox: MemoryOutbox;

  constructor(clock: Clock, outbox: MemoryOutbox) {
    this.#clock = clock;
    this.#outbox = outbox;
  }

  async create(token: NewToken, events?: EventsOf<ApiToken>): Promise<ApiToken> {
    if (this.#tokens.has(token.id)) throw new Error(`there is a token ${token.id} already`);
    const created = { ...token, createdAtMs: this.#clock.now(), revokedAtMs: null };
    if (events) this.#outbox.add(events(created));
    this.#tokens.set(token.id, created);
    return created;
  }

  async get(id: string): Promise<ApiToken | undefined> {
    return this.#tokens.get(id);
  }

  async list(): Promise<readonly ApiToken[]> {
    return [...this.#tokens.values()];
  }

  async revoke(id: string, events?: EventsOf<ApiToken>): Promise<ApiToken | undefined> {
    const token = this.#tokens.get(id);
    if (token === undefined || token.revokedAtMs !== null) return token;
    const revoked = { ...token, revokedAtMs: this.#clock.now() };
    if (events) this.#outbox.add(events(revoked));
    this.#tokens.set(id, revoked);
    return revoked;
  }
}
