import type { EventsOf } from './outbox.ts';

/** What a token may allow. Names are Cloudflare's, as far as it has them. */
export const PERMISSIONS = [
  'Logs Write',
  'Logs Read',
  'Audit Logs Read',
  'Audit Logs Write',
  'Account Settings Read',
  'Account Settings Write',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** What a token opens, for whom, from where and when. */
export interface TokenScope {
  /** Null: all accounts, and all organizations. */
  readonly accountIds: readonly string[] | null;
  /** Besides accounts: an organization may have the same id as an account, and is somebody else. */
  readonly organizationIds: readonly string[];
  readonly permissions: readonly Permission[];
  /** Address ranges (`192.0.2.0/24`) that it may be used from; empty: any. */
  readonly allowedAddresses: readonly string[];
  readonly notBeforeMs: number | null;
  readonly expiresAtMs: number | null;
}

export interface NewToken extends TokenScope {
  /** 32 hexadecimal digits; part of the token, and no secret. */
  readonly id: string;
  /** SHA-256 of the whole token. The token itself is never stored. */
  readonly hash: Uint8Array;
  readonly name: string;
  /** Whose token it is: with this e-mail it also serves as `X-Auth-Key`. */
  readonly email: string | null;
}

export interface ApiToken extends NewToken {
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
}

/**
 * Tokens of the API. Every method rejects with StoreUnavailableError when it could not be confirmed.
 * Nothing is cached: a token that was revoked is refused from the next request on.
 */
export interface TokenStore {
  /** @throws OutboxFullError when `events` gives more than may wait; nothing is made then */
  create(token: NewToken, events?: EventsOf<ApiToken>): Promise<ApiToken>;
  /** Also one that was revoked or has expired. */
  get(id: string): Promise<ApiToken | undefined>;
  /** All of them, oldest first. */
  list(): Promise<readonly ApiToken[]>;
  /** For good; a second time changes nothing and tells nothing. Undefined: no such token. @throws as above */
  revoke(id: string, events?: EventsOf<ApiToken>): Promise<ApiToken | undefined>;
}
