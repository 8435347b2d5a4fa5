import { StoreUnavailableError, type Clock } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { BulkValue } from '../../bulk.ts';
import type { Database } from '../../database.ts';
import type { NewEvent } from '../engine.ts';
import { byMonth, monthOf } from '../months.ts';
import type { AuditTables } from '../schema.ts';
import type { Clickhouse } from './clickhouse.ts';
import { ch, integers, named, texts } from './statement.ts';
import { EVENT_IDS, EVENT_INSERT, EVENTS, ID_INSERT } from './tables.ts';
import { beginTurn, endTurn, giveUpTurn, type Turn } from './turn.ts';
import { isVisible, readVisible } from './visible.ts';

/** How often it is looked whether the turn of another process has ended. */
const POLL_MS = 25;
/** Whoever has not ended its turn after this has most likely died; one that lives will find out and begin anew. */
const DEAD_AFTER_MS = 30_000;
const MAX_WAIT_MS = 90_000;
/** Of ids in one question: a server takes no larger values by default. */
const MAX_ID_CHARACTERS = 60_000;

/** What a writer does in SQL. */
interface Steps {
  /** Whether to begin at all; asked often. */
  readonly mayBegin: (transaction: Transaction<AuditTables>) => Promise<boolean>;
  /** Runs in the transaction in which the events appear. False: they must not. */
  readonly confirm: (transaction: Transaction<AuditTables>) => Promise<boolean>;
}

/**
 * Stores events in ClickHouse, which has no transactions, exactly once. Rows get sequences that are never used again, and are
 * events only once SQL says so, in one transaction with the position (`endTurn`). Whatever became of an insertion that was
 * not confirmed, and whenever it arrives, its sequences are given up.
 */
export class EventWriter {
  readonly #database: Database<AuditTables>;
  readonly #clickhouse: Clickhouse;
  readonly #clock: Clock;
  /** One at a time in this process. */
  #last: Promise<unknown> = Promise.resolve();
  /** A turn of ours that failed, and could not be given up either. */
  #failed: number | undefined;

  constructor(options: { database: Database<AuditTables>; clickhouse: Clickhouse; clock: Clock }) {
    this.#database = options.database;
    this.#clickhouse = options.clickhouse;
    this.#clock = options.clock;
  }

  /** Stores those that are not known, and resolves to their number. @throws StoreUnavailableError */
  store(events: readonly NewEvent[], steps: Steps): Promise<number | 'stale'> {
    const stored = this.#last.then(() =>
      events.length === 0 ? this.#confirmAlone(steps) : this.#store(events, steps),
    );
    this.#last = stored.catch(() => undefined);
    return stored;
  }

  async #confirmAlone({ confirm }: Steps): Promise<number | 'stale'> {
    return (await this.#database.write(confirm)) ? 0 : 'stale';
  }

  async #store(events: readonly NewEvent[], steps: Steps): Promise<number | 'stale'> {
    const turn = await this.#begin(events, steps);
    if (turn === 'stale') return turn;
    try {
      const fresh = await this.#unknownOf(events, turn);
      await this.#insert(fresh, turn);
      const isConfirmed = await this.#database.write((transaction) =>
        endTurn(transaction, {
          ...{ turn, count: fresh.length, nowMs: this.#clock.now() },
          confirm: () => steps.confirm(transaction),
        }),
      );
      return isConfirmed ? fresh.length : 'stale';
    } catch (error) {
      await this.#giveUp(turn);
      throw error;
    }
  }

  async #begin(events: readonly NewEvent[], { mayBegin }: Steps): Promise<Turn | 'stale'> {
    const count = events.length;
    const months = [...byMonth(events).keys()];
    const startMs = this.#clock.monotonic();
    let other = { first: 0, sinceMs: startMs };
    for (;;) {
      const passedMs = this.#clock.monotonic();
      const isOver = passedMs - other.sinceMs > DEAD_AFTER_MS;
      const dead = isOver ? other.first : undefined;
      const nowMs = this.#clock.now();
      const isDead = (first: number) => first === dead || first === this.#failed;
      const begun = await this.#database.write(async (transaction) =>
        (await mayBegin(transaction))
          ? beginTurn(transaction, { count, months, nowMs, isDead })
          : 'stale',
      );
      if (typeof begun !== 'number') return begun;
      if (begun !== other.first) other = { first: begun, sinceMs: passedMs };
      if (passedMs - startMs > MAX_WAIT_MS) {
        throw new StoreUnavailableError(
          'other processes store events all the time: is ClickHouse overloaded',
        );
      }
      await this.#clock.sleep(POLL_MS);
    }
  }

  async #giveUp({ first }: Turn): Promise<void> {
    try {
      const nowMs = this.#clock.now();
      await this.#database.write((transaction) => giveUpTurn(transaction, first, nowMs));
    } catch {
      // The error that is under way says what is wrong; the next one who begins goes over it.
      this.#failed = first;
    }
  }

  /** Those whose id is not stored, each once. */
  async #unknownOf(events: readonly NewEvent[], turn: Turn): Promise<NewEvent[]> {
    const unknown = new Map<string, NewEvent>();
    for (const event of events) {
      const partition = partitionOf(event, turn);
      const name = `${partition} ${event.tenant} ${event.id}`;
      if (!unknown.has(name)) unknown.set(name, event);
    }
    const tenants = [...new Set(events.map(({ tenant }) => tenant))];
    const numbers = [...turn.partitions.values()];
    const visible = await this.#database.read((kysely) => readVisible(kysely, tenants));
    for (const ids of inChunks([...unknown.values()].map(({ id }) => id))) {
      const known = await this.#clickhouse.read<{ partition: number; tenant: number; id: string }>(
        ch`select partition, tenant, id from ${named(EVENT_IDS)}
          where tenant in ${integers(tenants)} and id in ${texts(ids)}
          and ${isVisible(visible, numbers)}`,
      );
      for (const { partition, tenant, id } of known) unknown.delete(`${partition} ${tenant} ${id}`);
    }
    return [...unknown.values()];
  }

  async #insert(events: readonly NewEvent[], turn: Turn): Promise<void> {
    if (events.length === 0) return;
    const rows: BulkValue[][] = [];
    const ids: BulkValue[][] = [];
    for (const [index, event] of events.entries()) {
      const partition = partitionOf(event, turn);
      const sequence = turn.first + index;
      rows.push([partition, sequence, ...(event.row as readonly BulkValue[])]);
      ids.push([partition, event.tenant, event.id, sequence]);
    }
    await Promise.all([
      this.#clickhouse.insert(EVENT_IDS, ID_INSERT, ids),
      this.#clickhouse.insert(EVENTS, EVENT_INSERT, rows),
    ]);
  }
}

function partitionOf({ timeMicros }: NewEvent, { partitions }: Turn): number {
  const number = partitions.get(monthOf(timeMicros));
  if (number === undefined) throw new Error('an event has no partition');
  return number;
}

function* inChunks(ids: readonly string[]): Generator<readonly string[], void, void> {
  let chunk: string[] = [];
  let characters = 0;
  for (const id of ids) {
    if (chunk.length > 0 && characters + id.length > MAX_ID_CHARACTERS) {
      yield chunk;
      chunk = [];
      characters = 0;
    }
    chunk.push(id);
    characters += id.length + 3;
  }
  if (chunk.length > 0) yield chunk;
}
