import type {
  AuditBatch,
  AuditCount,
  AuditCounting,
  AuditEntry,
  AuditFollow,
  AuditFollowed,
  AuditHit,
  AuditPage,
  AuditPlace,
  AuditQuery,
  LineShape,
} from '@trailpush/core';
import type { Transaction } from 'kysely';

import { movePosition, saveLosses } from '../append.ts';
import { pageOf, SqlAuditStore, type SqlAuditOptions } from '../audit-store.ts';
import { newEvents } from '../new-events.ts';
import type { AuditTables } from '../schema.ts';
import { RemovedMeanwhileError } from '../whole-read.ts';
import type { Clickhouse } from './clickhouse.ts';
import { countEvents } from './counting.ts';
import type { EventWriter } from './event-writer.ts';
import { newEvent } from './rows.ts';
import { findHits, followHits, readEvents, type Looking } from './search.ts';
import { readWholeVisible } from './visible.ts';

export interface ClickhouseAuditOptions extends SqlAuditOptions {
  readonly clickhouse: Clickhouse;
  readonly writer: EventWriter;
}

/** Events in ClickHouse, all else in SQL, see `ARCHITECTURE.md`. */
export class ClickhouseAuditStore extends SqlAuditStore {
  readonly #options: ClickhouseAuditOptions;

  constructor(options: ClickhouseAuditOptions) {
    super(options);
    this.#options = options;
  }

  override async append(batch: AuditBatch): Promise<{ readonly stored: number } | 'stale'> {
    const events = await newEvents(
      { eventMaker: () => newEvent },
      this.#options.tenants,
      batch.entries,
    );
    const seenAtMs = this.#options.clock.now();
    const stored = await this.#options.writer.store(events, {
      mayBegin: (transaction) => isAtPosition(transaction, batch),
      confirm: async (transaction) => {
        if (!(await movePosition(transaction, batch))) return false;
        await saveLosses(transaction, batch, seenAtMs);
        return true;
      },
    });
    return stored === 'stale' ? stored : { stored };
  }

  override async query(query: AuditQuery): Promise<AuditPage> {
    const page = await this.#look(query, async (of) => {
      const all = await findHits(of, query, query.limit + 1);
      const hits = pageOf(all, query.limit);
      const entries = await readEvents(of, query.tenant, hits);
      // A page that ends early would look like the end of the log to those who page.
      if (entries.length < hits.length) throw new RemovedMeanwhileError();
      return { entries, next: hits.length < all.length ? hits.at(-1) : undefined };
    });
    return page ?? { entries: [], next: undefined };
  }

  override async locate(query: AuditQuery): Promise<readonly AuditHit[]> {
    return (await this.#look(query, (of) => findHits(of, query, query.limit))) ?? [];
  }

  override async read(
    query: Pick<AuditQuery, 'tenant' | 'direction'>,
    places: readonly AuditPlace[],
  ): Promise<readonly AuditEntry[]> {
    return (await this.#look(query, (of) => readEvents(of, query.tenant, places))) ?? [];
  }

  override async readLines(
    query: Pick<AuditQuery, 'tenant' | 'direction'>,
    places: readonly AuditPlace[],
    { lineOf }: LineShape,
  ): Promise<string> {
    return (await this.read(query, places)).map(lineOf).join('');
  }

  override async follow(query: AuditFollow): Promise<AuditFollowed> {
    const followed = await this.#look(query, async (of) => {
      const { hits: all, end } = await followHits(of, query);
      const hits = pageOf(all, query.limit);
      const entries = await readEvents(of, query.tenant, hits);
      const next = hits.length < all.length ? (hits.at(-1)?.sequence ?? end) : end;
      return { entries, next };
    });
    return followed ?? { entries: [], next: query.after };
  }

  override async count(query: AuditCounting): Promise<readonly AuditCount[]> {
    return (await this.#look(query, (of) => countEvents(of, query))) ?? [];
  }

  /** Undefined for a tenant that has no events. */
  async #look<Result>(
    { tenant }: Pick<AuditQuery, 'tenant'>,
    read: (of: Looking) => Promise<Result>,
  ): Promise<Result | undefined> {
    const number = await this.#options.tenants.find(tenant);
    if (number === undefined) return undefined;
    return readWholeVisible(this.#options.database, number, (visible) =>
      read({ clickhouse: this.#options.clickhouse, visible, tenant: number }),
    );
  }
}

async function isAtPosition(
  transaction: Transaction<AuditTables>,
  { topic, partition, from }: AuditBatch,
): Promise<boolean> {
  const row = await transaction
    .selectFrom('audit_positions')
    .select('next_offset')
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .executeTakeFirst();
  return row?.next_offset === from;
}
