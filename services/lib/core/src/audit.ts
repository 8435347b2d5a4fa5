/**
 * The audit store: every event of the log, searchable. Two implementations answer to one contract suite
 * (`test/kit/contracts/audit-store.ts`): SQLite for a single process, and PostgreSQL.
 */
import type { AuditCount, AuditCounting } from './audit-counts.ts';
import type { LineShape } from './audit-lines.ts';
import type { LastRead } from './progress.ts';

/**
 * Whose log an event belongs to. Accounts and organizations have ids of their own: what is allowed, asked or
 * stored for one is never for the other, also when their ids are the same. Nobody reads across tenants.
 */
export interface Tenant {
  readonly kind: 'account' | 'organization';
  readonly id: string;
}

/** The texts of an event, named as the query API's filters are: `actor.email` is `actor_email`. */
export const AUDIT_TEXTS = [
  'account_name',
  'action_description',
  'action_result',
  'action_type',
  'actor_context',
  'actor_email',
  'actor_id',
  'actor_ip_address',
  'actor_token_id',
  'actor_token_name',
  'actor_type',
  'raw_cf_ray_id',
  'raw_method',
  'raw_uri',
  'raw_user_agent',
  'resource_id',
  'resource_product',
  'resource_scope',
  'resource_type',
  'zone_id',
  'zone_name',
  'interface',
  'owner_id',
] as const;
export type AuditText = (typeof AUDIT_TEXTS)[number];

/** JSON as the producer wrote it, on one line. */
export const AUDIT_BODIES = [
  'resource_request',
  'resource_response',
  'resource_value',
  'metadata',
  'old_value',
  'new_value',
] as const;
export type AuditBody = (typeof AUDIT_BODIES)[number];

/** All texts of an entry, in the order of `EncodedTexts`. */
export const ENTRY_TEXTS = ['id', ...AUDIT_TEXTS, ...AUDIT_BODIES] as const;

/** One event. null means that the producer had no value. */
export interface AuditEntry extends Readonly<Record<AuditText | AuditBody, string | null>> {
  readonly tenant: Tenant;
  /** Unique within the tenant: an event that was sent twice is stored once. */
  readonly id: string;
  /** `action.time`, microseconds since the epoch. */
  readonly timeMicros: number;
  readonly raw_status_code: number | null;
  /** The same texts once more, if they came as bytes: a store that keeps bytes need not make texts of them. */
  readonly encoded?: EncodedTexts;
}

export interface EncodedTexts {
  /** UTF-8. Nobody changes it any more. */
  readonly bytes: Buffer;
  /**
   * From `at` on, where in `bytes` each of `ENTRY_TEXTS` begins and ends. One that begins at -1 is null.
   */
  readonly ranges: Int32Array;
  readonly at: number;
}

/** What filters compare. Bodies, descriptions and user agents are not among them. */
export type AuditField =
  'id' | 'raw_status_code' | Exclude<AuditText, 'action_description' | 'raw_user_agent'>;

/** True for events whose field equals one of the values; an absent field equals the empty text. */
export interface AuditFilter {
  readonly field: AuditField;
  /** At least one; numbers for `raw_status_code`. */
  readonly values: readonly (string | number)[];
  readonly isNegated: boolean;
}

/** A place in a tenant's log, in order of time; `sequence` orders what happened at the same time. */
export interface AuditPlace {
  readonly timeMicros: number;
  readonly sequence: number;
}

export interface AuditQuery {
  readonly tenant: Tenant;
  /** Inclusive. */
  readonly sinceMicros: number;
  /** Exclusive. */
  readonly beforeMicros: number;
  readonly direction: 'asc' | 'desc';
  /** At least 1. A page that would grow too large is shorter, but never empty while there is more. */
  readonly limit: number;
  /** Where the page before ended. */
  readonly after?: AuditPlace;
  /** All of them must be true. */
  readonly filters: readonly AuditFilter[];
  /** `actor_ip_address` must lie in this range (`isAddressRange`) as well. */
  readonly addressRange?: string;
  /** Each, as `wordsOf` makes them, must be the beginning of a word of the event (`searchWordsOf`). */
  readonly words?: readonly string[];
}

/** An event that passes, before it is read as a whole. */
export interface AuditHit extends AuditPlace {
  /** The size of its texts and bodies. */
  readonly bytes: number;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** Undefined when there is nothing more. */
  readonly next: AuditPlace | undefined;
}

/**
 * Asks for a tenant's events in the order in which they were stored, whenever they happened, for readers that
 * come back for more. Those that were stored together are in any order, but always in the same.
 */
export interface AuditFollow extends Pick<
  AuditQuery,
  'tenant' | 'sinceMicros' | 'beforeMicros' | 'limit' | 'filters' | 'words'
> {
  /** `next` of the page before; 0 begins with the first event. */
  readonly after: number;
}

export interface AuditFollowed {
  /** Perhaps none, also while there is more: finding what is rare among very many takes several pages. */
  readonly entries: readonly AuditEntry[];
  /** Where to go on, now or later. No event is ever stored before it. */
  readonly next: number;
}

/** How far the indexer has come in one partition of the log. */
export interface IndexPosition {
  /** The next offset to read. */
  readonly next: number;
  /** For noticing a topic that was recreated or cut. */
  readonly lastRead: LastRead | null;
}

/** A record that cannot be stored as an event, set aside whole. */
export interface IndexDeadLetter {
  readonly offset: number;
  readonly timestampMs: number;
  readonly reason: string;
  readonly message: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** Offsets that could not be read any more. `to` is exclusive. */
export interface IndexGap {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** What was found between two positions of one partition: stored as a whole or not at all. */
export interface AuditBatch {
  readonly topic: string;
  readonly partition: number;
  /** `next` of the stored position, undefined when there is none: else the batch is stale. */
  readonly from: number | undefined;
  readonly to: IndexPosition;
  readonly entries: readonly AuditEntry[];
  readonly deadLetters: readonly IndexDeadLetter[];
  readonly gap?: IndexGap;
}

/** Every method rejects with StoreUnavailableError when the database is away; repeating a call is safe. */
export interface AuditStore {
  position(topic: string, partition: number): Promise<IndexPosition | undefined>;
  /**
   * Stores a batch and its position in one transaction. Events whose id the tenant already has in that
   * month are left out. `stale`: somebody else has moved the position, and nothing was stored.
   */
  append(batch: AuditBatch): Promise<{ readonly stored: number } | 'stale'>;
  query(query: AuditQuery): Promise<AuditPage>;
  /**
   * Where the first `limit` events lie that `query` would give, however large they are. No two events of a
   * store have the same place, also of different tenants.
   */
  locate(query: AuditQuery): Promise<readonly AuditHit[]>;
  /** The events at these places, which are in the query's order. One that is no longer there is left out. */
  read(
    query: Pick<AuditQuery, 'tenant' | 'direction'>,
    places: readonly AuditPlace[],
  ): Promise<readonly AuditEntry[]>;
  /**
   * The same events as lines, one after the other. Of many events this takes a fraction of what it takes to read
   * them, where a database writes the lines.
   */
  readLines(
    query: Pick<AuditQuery, 'tenant' | 'direction'>,
    places: readonly AuditPlace[],
    shape: LineShape,
  ): Promise<string>;
  follow(query: AuditFollow): Promise<AuditFollowed>;
  /** How many events there are of each kind, in no order. @throws QueryTooLargeError */
  count(query: AuditCounting): Promise<readonly AuditCount[]>;
  /** Ids of the first `limit` accounts that have, or had, events. */
  listAccounts(limit: number): Promise<readonly string[]>;
  /** The event of this id; `timeMicros` says where to look. */
  find(tenant: Tenant, id: string, timeMicros: number): Promise<AuditEntry | undefined>;
  /** The newest first. */
  listDeadLetters(
    limit: number,
  ): Promise<readonly (IndexDeadLetter & { readonly topic: string; readonly partition: number })[]>;
  listGaps(topic: string): Promise<readonly (IndexGap & { readonly partition: number })[]>;
}
