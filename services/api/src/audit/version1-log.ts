import type { AuditEntry, AuditHit, AuditPlace, AuditStore, Tenant } from '@trailpush/core';

import { ApiError, CODE } from '../envelope.ts';
import type { QueryGate } from './query-gate.ts';
import type { Version1Query } from './version1-query.ts';

/** A page holds at most so much text, or one event that is larger. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** What an export holds at a time, of events and of bytes. */
const EXPORT_EVENTS = 1000;
const EXPORT_BYTES = 4 * 1024 * 1024;

/** Whose events, and which of them. */
export interface Version1Search extends Version1Query {
  readonly accounts: readonly string[];
}

interface Located extends AuditHit {
  readonly tenant: Tenant;
}

/** Events of one or of several accounts, in one order of time. */
export class Version1Log {
  readonly #audit: AuditStore;
  readonly #gate: QueryGate;

  constructor(audit: AuditStore, gate: QueryGate) {
    this.#audit = audit;
    this.#gate = gate;
  }

  /** The accounts that have events; undefined when there are more than `limit`. */
  async accounts(limit: number): Promise<readonly string[] | undefined> {
    const ids = await this.#gate.run(() => this.#audit.listAccounts(limit + 1));
    return ids.length > limit ? undefined : ids;
  }

  /** @throws ApiError 400 for a page that is too large */
  async page(search: Version1Search): Promise<readonly AuditEntry[]> {
    const { page, perPage } = search;
    return this.#gate.run(async () => {
      const located = await this.#locate(search, page * perPage);
      const places = located.slice((page - 1) * perPage);
      if (within(places, MAX_PAGE_BYTES) < places.length) throw tooLarge(perPage);
      return this.#read(search, places);
    });
  }

  /** Everything, in parts. */
  async *all(search: Version1Search): AsyncGenerator<readonly AuditEntry[], void, void> {
    let after: AuditPlace | undefined;
    do {
      const { entries, next } = await this.#part(search, after);
      yield entries;
      after = next;
    } while (after !== undefined);
  }

  async #part(search: Version1Search, after: AuditPlace | undefined) {
    return this.#gate.run(async () => {
      const located = await this.#locate(search, EXPORT_EVENTS, after);
      const places = located.slice(0, within(located, EXPORT_BYTES));
      const isLast = places.length === located.length && located.length < EXPORT_EVENTS;
      const entries = await this.#read(search, places);
      return { entries, next: isLast ? undefined : places.at(-1) };
    });
  }

  async #locate(
    { accounts, query }: Version1Search,
    limit: number,
    after?: AuditPlace,
  ): Promise<readonly Located[]> {
    let found: readonly Located[] = [];
    for (const id of accounts) {
      const tenant: Tenant = { kind: 'account', id };
      const of = { ...query, tenant, limit, ...(after && { after }) };
      const hits = (await this.#audit.locate(of)).map((hit) => ({ ...hit, tenant }));
      found = found.length === 0 ? hits : merged([...found, ...hits], query).slice(0, limit);
    }
    return found;
  }

  async #read(
    { accounts, query }: Version1Search,
    places: readonly Located[],
  ): Promise<readonly AuditEntry[]> {
    const entries: AuditEntry[] = [];
    const byAccount = Map.groupBy(places, ({ tenant }) => tenant.id);
    for (const [id, of] of byAccount) {
      const tenant: Tenant = { kind: 'account', id };
      entries.push(...(await this.#audit.read({ ...query, tenant }, of)));
    }
    return accounts.length === 1 ? entries : entries.toSorted(byTime(query));
  }
}

type Ordered = Pick<Version1Query['query'], 'direction'>;

function byTime({ direction }: Ordered) {
  const sign = direction === 'asc' ? 1 : -1;
  return (a: { timeMicros: number }, b: { timeMicros: number }) =>
    sign * (a.timeMicros - b.timeMicros);
}

function merged(places: readonly Located[], { direction }: Ordered): readonly Located[] {
  const sign = direction === 'asc' ? 1 : -1;
  return places.toSorted((a, b) => sign * (a.timeMicros - b.timeMicros || a.sequence - b.sequence));
}

/** How many of these events fit into so many bytes: at least one, however large. */
function within(places: readonly Located[], maxBytes: number): number {
  let bytes = 0;
  const first = places.findIndex((place, index) => {
    bytes += place.bytes;
    return index > 0 && bytes > maxBytes;
  });
  return first === -1 ? places.length : first;
}

function tooLarge(perPage: number): ApiError {
  const message = `query parameter 'per_page' asks for more than 16 MiB with these ${perPage} events: lower it`;
  return new ApiError(400, [{ code: CODE.invalid, message }]);
}
