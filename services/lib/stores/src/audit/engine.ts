import type { AuditEntry } from '@trailpush/core';
import type { Kysely, RawBuilder } from 'kysely';

import type { BulkValue, CopyLine } from '../bulk.ts';
import type { Engine } from '../database.ts';
import type { Month } from './months.ts';
import type { AuditTables } from './schema.ts';

/** An event on its way into a table. */
export interface NewEvent<Row = readonly BulkValue[] | CopyLine> {
  readonly tenant: number;
  readonly timeMicros: number;
  /** As it is stored. */
  readonly id: string;
  /** What `inserting` of the engine that made it takes. */
  readonly row: Row;
}

/** A range of time that one statement looks at. */
export interface Part {
  /** To select from, as `e`. */
  readonly table: RawBuilder<unknown>;
  /** Inclusive and exclusive. */
  readonly fromMicros: number;
  readonly toMicros: number;
  /** True for rows of `e` that have one term of each list. Uses the index of terms only. */
  matching(terms: readonly (readonly number[])[]): RawBuilder<boolean>;
}

/** What a database adds to the audit store. */
export interface AuditEngine extends Engine {
  /** The table of a month, as `e`. */
  tableOf(month: Month): RawBuilder<unknown>;
  /** The tenant's events at these places (`time_micros`, `sequence`) of a month, as `e`. */
  eventsAt(month: Month, tenant: number, places: RawBuilder<unknown>): RawBuilder<unknown>;
  /** Pairs as a table to select `tenant` and `id` from. */
  idRows(pairs: readonly (readonly (number | string)[])[]): RawBuilder<unknown>;
  createMonth(transaction: Kysely<never>, month: Month): Promise<void>;
  /** Waits a moment at most for those who are reading. @throws StoreUnavailableError */
  dropMonth(transaction: Kysely<never>, month: Month): Promise<void>;
  /** What makes a month fill fast, and be read slowly, ends. Called when another month begins. */
  settleMonth(transaction: Kysely<never>, month: Month): Promise<void>;
  /**
   * Until the end of the transaction, what is wanted in the order of an index is read in it. Without, a database that
   * knows too little of a table may sort all of a tenant's events to find the first.
   */
  walkIndexes(transaction: Kysely<never>): Promise<void>;
  /** Whether a statement failed since its month was dropped. */
  isMonthGone(error: unknown): boolean;
  /**
   * What makes events of entries, for one batch. Called before a transaction begins, since it takes more time than anything else that
   * this process does for an event.
   */
  eventMaker(): (entry: AuditEntry, tenant: number) => NewEvent;
  /**
   * Stores events of one month that are not stored yet. What can be done before is done when this is called. The turn
   * makes sequences visible in their order: one transaction at a time comes past what it gives.
   */
  inserting(
    month: Month,
    events: readonly NewEvent[],
  ): (transaction: Kysely<never>) => Promise<void>;
  /** The range that these months cover, in their order: what is looked at first comes first. */
  partsOf(
    months: readonly Month[],
    range: { readonly fromMicros: number; readonly toMicros: number },
  ): readonly Part[];
  /**
   * Each event passes one of these conditions on rows of `e`. Under each of them, what asks for
   * `COVERED_COLUMNS` alone is answered from an index by time.
   */
  readonly coverage: readonly RawBuilder<unknown>[];
  /** How many events one statement counts, so that others get their turn; undefined: as many as there are. */
  readonly countedAtOnce: number | undefined;
  /** Runs a statement, and gives it up after a time if it can; without one, after the database's own. */
  runWithin<Row>(
    database: Kysely<AuditTables>,
    statement: RawBuilder<Row>,
    timeoutMs?: number,
  ): Promise<Row[] | 'too slow'>;
  /** An expression of a text as a JSON string, as `JSON.stringify` writes it; null of null. */
  jsonOf(text: RawBuilder<unknown>): RawBuilder<string>;
  /** Microseconds since the epoch as a JSON string: a time in UTC, RFC 3339, with as many digits of a second as there are. */
  timeOf(micros: RawBuilder<unknown>): RawBuilder<string>;
  /** Texts as the database can hold them, and back. */
  encodeText(text: string): string;
  decodeText(text: string): string;
}
