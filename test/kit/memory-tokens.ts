import type { ApiToken, Clock, NewToken, TokenStore } from '@trailpush/core';

/** Tokens without a database. */
export class MemoryTokens implements TokenStore {
  readonly #clock: Clock;
  readonly #tokens = new Map<string, ApiToken>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async create(token: NewToken): Promise<ApiToken> {
    if (this.#tokens.has(token.id)) throw new Error(`there is a token ${token.id} already`);
    const created = { ...token, createdAtMs: this.#clock.now(), revokedAtMs: null };
    this.#tokens.set(token.id, created);
    return created;
  }

  async get(id: string): Promise<ApiToken | undefined> {
    return this.#tokens.get(id);
  }

  async list(): Promise<readonly ApiToken[]> {
    return [...this.#tokens.values()];
  }

  async revoke(id: string): Promise<ApiToken | undefined> {
    const token = this.#tokens.get(id);
    if (token === undefined || token.revokedAtMs !== null) return token;
    const revoked = { ...token, revokedAtMs: this.#clock.now() };
    this.#tokens.set(id, revoked);
    return revoked;
  }
}
