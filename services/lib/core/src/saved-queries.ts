import type { EventsOf } from './outbox.ts';

/** A query of the audit log that people come back to. */
export interface SavedQuery {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
  /** Filters, words and time, as JSON on one line. */
  readonly query: string;
  /** E-mail of the token that saved it, else its id. */
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** Of one account. */
export const MAX_SAVED_QUERIES = 100;

/**
 * Saved queries. Events tell of a change in its own transaction; every method rejects with
 * StoreUnavailableError when it could not be confirmed, and changes with OutboxFullError.
 */
export interface SavedQueryStore {
  /** Undefined: the account has MAX_SAVED_QUERIES already. */
  create(
    query: Omit<SavedQuery, 'createdAtMs' | 'updatedAtMs'>,
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined>;
  get(accountId: string, id: string): Promise<SavedQuery | undefined>;
  /** Oldest first. */
  list(accountId: string): Promise<readonly SavedQuery[]>;
  /** As it is now; undefined: there is none. */
  update(
    accountId: string,
    id: string,
    change: Pick<SavedQuery, 'name' | 'query'>,
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined>;
  /** As it was; undefined: there is none. */
  delete(
    accountId: string,
    id: string,
    events?: EventsOf<SavedQuery>,
  ): Promise<SavedQuery | undefined>;
}
