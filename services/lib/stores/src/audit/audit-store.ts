import type {
  AuditCount,
  AuditCounting,
  AuditBatch,
  AuditEntry,
  AuditFollow,
  AuditFollowed,
  AuditHit,
  AuditPage,
  AuditPlace,
  AuditQuery,
  AuditStore,
  Clock,
  IndexPosition,
  LineShape,
  Tenant,
} from '@trailpush/core';
import type { Kysely } from 'kysely';

import type { Database } from '../database.ts';
import { appendBatch } from './append.ts';
import { countEvents } from './counting.ts';
import type { AuditEngine } from './engine.ts';
import { followEvents } from './ingestion-order.ts';
import { writeEvents } from './making-months.ts';
import { readEventLines } from './lines.ts';
import { monthOf, type Month } from './months.ts';
import { newEvents } from './new-events.ts';
import type { AuditTables } from './schema.ts';
import { readEvents, searchEvents } from './search.ts';
import type { Tenants } from './tenants.ts';
import { readWhole, RemovedMeanwhileError } from './whole-read.ts';

/** A page holds at most so much text, or one event that is larger. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** How a line has what PostgreSQL holds in place of U+0000 and U+0001: within a JSON string, or in a body. */
const ENCODED = [String.raw`\u00010`, String.raw`\u00011`, '\u0001'];
/** `find` looks around the time by so much: clients may have cut its fraction off. */
const FIND_WITHIN_MICROS = 1_000_000;

export interface SqlAuditOptions {
  readonly database: Database<AuditTables>;
  /** The same, or a replica of it that answers what is asked about events. */
  readonly queries: Database<AuditTables>;
  readonly engine: AuditEngine;
  readonly clock: Clock;
  readonly tenants: Tenants;
}

/** Events in SQL, see `ARCHITECTURE.md`. */
export class SqlAuditStore implements AuditStore {
  readonly #database: Database<AuditTables>;
  readonly #queries: Database<AuditTables>;
  readonly #engine: AuditEngine;
  readonly #clock: Clock;
  readonly #tenants: Tenants;

  constructor(options: SqlAuditOptions) {
    this.#database = options.database;
    this.#queries = options.queries;
    this.#engine = options.engine;
    this.#clock = options.clock;
    this.#tenants = options.tenants;
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
    const events = await newEvents(this.#engine, this.#tenants, batch.entries);
    const seenAtMs = this.#clock.now();
    return writeEvents(this.#database, this.#engine, events, (transaction) =>
      appendBatch(transaction, this.#engine, { batch, events, seenAtMs }),
    );
  }

  async query(query: AuditQuery): Promise<AuditPage> {
    const tenant = await this.#tenants.find(query.tenant);
    if (tenant === undefined) return { entries: [], next: undefined };
    return readWhole(this.#queries, this.#engine, async (kysely) => {
      const months = await readMonths(kysely);
      const found = { query, tenant, months, count: query.limit + 1 };
      const all = await searchEvents(kysely, this.#engine, found);
      const hits = pageOf(all, query.limit);
      const entries = await readEvents(kysely, this.#engine, { owner: query.tenant, tenant, hits });
      // A page that ends early would look like the end of the log to those who page.
      if (entries.length < hits.length) throw new RemovedMeanwhileError();
      const last = hits.at(-1);
      const next = hits.length < all.length && last !== undefined ? last : undefined;
      return { entries, next };
    });
  }

  async locate(query: AuditQuery): Promise<readonly AuditHit[]> {
    const tenant = await this.#tenants.find(query.tenant);
    if (tenant === undefined) return [];
    return readWhole(this.#queries, this.#engine, async (kysely) => {
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
    return readWhole(this.#queries, this.#engine, async (kysely) => {
      const months = new Set(await readMonths(kysely));
      const hits = places.filter(({ timeMicros }) => months.has(monthOf(timeMicros)));
      return readEvents(kysely, this.#engine, { owner: query.tenant, tenant, hits });
    });
  }

  async readLines(
    query: Pick<AuditQuery, 'tenant' | 'direction'>,
    places: readonly AuditPlace[],
    shape: LineShape,
  ): Promise<string> {
    const tenant = await this.#tenants.find(query.tenant);
    if (tenant === undefined) return '';
    const text = await readWhole(this.#queries, this.#engine, async (kysely) => {
      const months = new Set(await readMonths(kysely));
      const hits = places.filter(({ timeMicros }) => months.has(monthOf(timeMicros)));
      return readEventLines(kysely, this.#engine, {
        tenant,
        hits,
        shape,
        direction: query.direction,
      });
    });
    if (!ENCODED.some((encoded) => text.includes(encoded))) return text;
    // We must write them.
    return (await this.read(query, places)).map(shape.lineOf).join('');
  }

  async follow(query: AuditFollow): Promise<AuditFollowed> {
    const tenant = await this.#tenants.find(query.tenant);
    if (tenant === undefined) return { entries: [], next: query.after };
    return readWhole(this.#queries, this.#engine, async (kysely) => {
      const months = await readMonths(kysely);
      const { hits, next } = await followEvents(
        { database: kysely, engine: this.#engine, query, tenant, months },
        (all) => pageOf(all, query.limit),
      );
      const of = { owner: query.tenant, tenant, hits };
      return { entries: await readEvents(kysely, this.#engine, of), next };
    });
  }

  async count(query: AuditCounting): Promise<readonly AuditCount[]> {
    const tenant = await this.#tenants.find(query.tenant);
    if (tenant === undefined) return [];
    const of = { engine: this.#engine, clock: this.#clock, query, tenant };
    return readWhole(this.#queries, this.#engine, async (database) =>
      countEvents({ ...of, database, months: await readMonths(database) }),
    );
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
}

async function readMonths(kysely: Kysely<AuditTables>): Promise<Month[]> {
  const rows = await kysely.selectFrom('audit_months').select('month').execute();
  return rows.map(({ month }) => month);
}

/** As many hits as a page may hold. */
export function pageOf(hits: readonly AuditHit[], limit: number): readonly AuditHit[] {
  let bytes = 0;
  const tooMany = hits.findIndex((hit, index) => {
    bytes += hit.bytes;
    return index === limit || (index > 0 && bytes > MAX_PAGE_BYTES);
  });
  return tooMany === -1 ? hits : hits.slice(0, tooMany);
}
