import type {
  AuditBatch,
  AuditEntry,
  AuditHit,
  AuditPage,
  AuditPlace,
  AuditQuery,
  AuditStore,
  Clock,
  IndexPosition,
  Tenant,
} from '@trailpush/core';
import { StoreUnavailableError } from '@trailpush/core';
import type { Kysely } from 'kysely';

import type { Database } from '../database.ts';
import { appendBatch } from './append.ts';
import type { AuditEngine, NewEvent } from './engine.ts';
import { byMonth, monthOf, type Month } from './months.ts';
import type { AuditTables } from './schema.ts';
import { readEvents, searchEvents } from './search.ts';
import { nameOf, Tenants } from './tenants.ts';

/** A page holds at most so much text, or one event that is larger. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** How often a month is made again that was dropped before a batch could be stored. */
const MAX_TRIES = 5;
/** `find` looks around the time by so much: clients may have cut its fraction off. */
const FIND_WITHIN_MICROS = 1_000_000;

/** Events in SQL, see `ARCHITECTURE.md`. */
export class SqlAuditStore implements AuditStore {
  readonly #database: Database<AuditTables>;
  readonly #engine: AuditEngine;
  readonly #clock: Clock;
  readonly #tenants: Tenants;

  constructor(options: { database: Database<AuditTables>; engine: AuditEngine; clock: Clock }) {
    this.#database = options.database;
    this.#engine = options.engine;
    this.#clock = options.clock;
    this.#tenants = new Tenants(options.database);
  }

  async position(topic: string, partition: number): Promise<IndexPosition | undefined> {
    const row = await this.#database.read((kysely) =>
      kysely
        .selectFrom('audit_positions')
        .selectAll()
        .where('topic', '=', topic)
        .where('partition', '=', partition)
        .executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    const { next_offset: next, last_offset: offset, last_timestamp_ms: timestampMs } = row;
    const isKnown = offset !== null && timestampMs !== null;
    return { next, lastRead: isKnown ? { offset, timestampMs } : null };
  }

  async append(batch: AuditBatch): Promise<{ readonly stored: number } | 'stale'> {
    const numbers = await this.#tenants.take(batch.entries.map(({ tenant }) => tenant));
    const events = batch.entries.map((entry): NewEvent => {
      const tenant = numbers.get(nameOf(entry.tenant)) ?? 0;
      return { tenant, timeMicros: entry.timeMicros, entry };
    });
    const months = [...byMonth(events).keys()];
    const seenAtMs = this.#clock.now();
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      try {
        return await this.#database.write(async (transaction) => {
          const result = await appendBatch(transaction, this.#engine, { batch, events, seenAtMs });
          // Undoes the position.
          if (result === 'month missing') throw new MonthMissingError();
          return result;
        });
      } catch (error) {
        if (!(error instanceof MonthMissingError)) throw error;
        for (const month of months) await this.#makeMonth(month);
      }
    }
    throw new StoreUnavailableError('months of the audit store are dropped as fast as they fill');
  }

  async query(query: AuditQuery): Promise<AuditPage> {
    const tenant = await this.#tenants.find(query.tenant);
    if (tenant === undefined) return { entries: [], next: undefined };
    return this.#database.read(async (kysely) => {
      const months = await readMonths(kysely);
      const found = { query, tenant, months, count: query.limit + 1 };
      const all = await searchEvents(kysely, this.#engine, found);
      const hits = pageOf(all, query.limit);
      const entries = await readEvents(kysely, this.#engine, { query, tenant, hits });
      const last = hits.at(-1);
      const next = hits.length < all.length && last !== undefined ? last : undefined;
      return { entries, next };
    });
  }

  async locate(query: AuditQuery): Promise<readonly AuditHit[]> {
    const tenant = await this.#tenants.find(query.tenant);
    if (tenant === undefined) return [];
    return this.#database.read(async (kysely) => {
      const months = await readMonths(kysely);
      return searchEvents(kysely, this.#engine, { query, tenant, months, count: query.limit });
    });
  }

  async read(
    query: Pick<AuditQuery, 'tenant' | 'direction'>,
    places: readonly AuditPlace[],
  ): Promise<readonly AuditEntry[]> {
    const tenant = await this.#tenants.find(query.tenant);
    if (tenant === undefined) return [];
    return this.#database.read(async (kysely) => {
      const months = new Set(await readMonths(kysely));
      const hits = places.filter(({ timeMicros }) => months.has(monthOf(timeMicros)));
      return readEvents(kysely, this.#engine, { query, tenant, hits });
    });
  }

  async listAccounts(limit: number): Promise<readonly string[]> {
    const rows = await this.#database.read((kysely) =>
      kysely
        .selectFrom('audit_tenants')
        .select('id')
        .where('kind', '=', 'account')
        .orderBy('id')
        .limit(limit)
        .execute(),
    );
    return rows.map(({ id }) => id);
  }

  async find(tenant: Tenant, id: string, timeMicros: number): Promise<AuditEntry | undefined> {
    const { entries } = await this.query({
      tenant,
      sinceMicros: timeMicros - FIND_WITHIN_MICROS,
      beforeMicros: timeMicros + FIND_WITHIN_MICROS,
      direction: 'desc',
      limit: 1,
      filters: [{ field: 'id', values: [id], isNegated: false }],
    });
    return entries[0];
  }

  async listDeadLetters(limit: number): ReturnType<AuditStore['listDeadLetters']> {
    const rows = await this.#database.read((kysely) =>
      kysely
        .selectFrom('audit_dead_letters')
        .selectAll()
        .orderBy('id', 'desc')
        .limit(limit)
        .execute(),
    );
    return rows.map(({ topic, partition, offset, timestamp_ms, reason, message, key, value }) => {
      const at = { topic, partition, offset, timestampMs: timestamp_ms };
      return { ...at, reason, message, key, value };
    });
  }

  async listGaps(topic: string): ReturnType<AuditStore['listGaps']> {
    const rows = await this.#database.read((kysely) =>
      kysely
        .selectFrom('audit_gaps')
        .selectAll()
        .where('topic', '=', topic)
        .orderBy('id')
        .execute(),
    );
    return rows.map(({ partition, from_offset: from, to_offset: to, reason }) => ({
      partition,
      from,
      to,
      reason,
    }));
  }

  /** Processes that make the same month wait for one another at its row. */
  async #makeMonth(month: Month): Promise<void> {
    await this.#database.write(async (transaction) => {
      const { numInsertedOrUpdatedRows } = await transaction
        .insertInto('audit_months')
        .values({ month })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows !== 1n) return;
      await this.#engine.createMonth(transaction as unknown as Kysely<never>, month);
    });
  }
}

class MonthMissingError extends Error {}

async function readMonths(kysely: Kysely<AuditTables>): Promise<Month[]> {
  const rows = await kysely.selectFrom('audit_months').select('month').execute();
  return rows.map(({ month }) => month);
}

/** As many hits as a page may hold. */
function pageOf(hits: readonly AuditHit[], limit: number): readonly AuditHit[] {
  let bytes = 0;
  const tooMany = hits.findIndex((hit, index) => {
    bytes += hit.bytes;
    return index === limit || (index > 0 && bytes > MAX_PAGE_BYTES);
  });
  return tooMany === -1 ? hits : hits.slice(0, tooMany);
}
