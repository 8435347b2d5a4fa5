import {
  ChallengeSpentError,
  MAX_OUTBOX_ENTRIES,
  OutboxFullError,
  type AuditTrail,
  type ChangeTrail,
  type Clock,
  type JobTransition,
  type Outbox,
  type OutboxEntry,
  type SpentChallenge,
} from '@trailpush/core';
import type { Kysely, Transaction } from 'kysely';

import type { Database } from './database.ts';
import type { RetentionTables } from './audit/retention-schema.ts';
import type { Tables } from './schema.ts';

/**
 * Stores what goes with a change, inside its transaction.
 * @throws OutboxFullError, ChallengeSpentError
 */
export async function storeTrail(
  transaction: Transaction<Tables>,
  trail: ChangeTrail | undefined,
  change: JobTransition,
  nowMs: number,
): Promise<void> {
  if (trail === undefined) return;
  if (trail.challenge !== undefined) await spend(transaction, trail.challenge, nowMs);
  await storeEvents(transaction, () => [trail.describe(change)], nowMs);
}

/** Stores audit events in the transaction of what they tell of. @throws OutboxFullError */
export async function storeEvents(
  transaction: Transaction<Tables>,
  events: (() => readonly string[]) | undefined,
  nowMs: number,
): Promise<void> {
  if (events === undefined) return;
  if ((await countEntries(transaction)) >= MAX_OUTBOX_ENTRIES) {
    throw new OutboxFullError(
      `nothing was changed, as ${MAX_OUTBOX_ENTRIES} audit events about earlier changes wait for the log: see /readyz for what ails it`,
    );
  }
  const rows = events().map((line) => ({ line, created_at_ms: nowMs, leased_until_ms: 0 }));
  if (rows.length > 0) await transaction.insertInto('outbox').values(rows).execute();
}

/** Audit events by themselves, in SQL. */
export class SqlAuditTrail implements AuditTrail {
  readonly #database: Database<Tables>;
  readonly #clock: Clock;

  constructor(database: Database<Tables>, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  add(lines: readonly string[]): Promise<void> {
    const nowMs = this.#clock.now();
    return this.#database.write((transaction) => storeEvents(transaction, () => lines, nowMs));
  }
}

async function spend(
  transaction: Transaction<Tables>,
  { id, expiresAtMs }: SpentChallenge,
  nowMs: number,
): Promise<void> {
  // Those that are out of date are refused for their age.
  await transaction.deleteFrom('spent_challenges').where('expires_at_ms', '<', nowMs).execute();
  const spent = await transaction
    .insertInto('spent_challenges')
    .values({ id, expires_at_ms: expiresAtMs })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirstOrThrow();
  if (spent.numInsertedOrUpdatedRows === 1n) return;
  throw new ChallengeSpentError(
    'ownership_challenge was used before: request another one for this destination_conf',
  );
}

async function countEntries(database: Kysely<Tables>): Promise<number> {
  const { entries } = await database
    .selectFrom('outbox')
    .select((eb) => eb.fn.countAll<number>().as('entries'))
    .executeTakeFirstOrThrow();
  return entries;
}

/** The same columns, for events about jobs and for those about retention. */
type OutboxTables = Pick<Tables, 'outbox'> & Pick<RetentionTables, 'audit_outbox'>;

/** An outbox in SQL. */
export class SqlOutbox implements Outbox {
  readonly #database: Database<OutboxTables>;
  readonly #clock: Clock;
  readonly #table: keyof OutboxTables;

  constructor(
    database: Database<Tables> | Database<RetentionTables>,
    clock: Clock,
    table: keyof OutboxTables,
  ) {
    this.#database = database as unknown as Database<OutboxTables>;
    this.#clock = clock;
    this.#table = table;
  }

  take(limit: number, leaseMs: number): Promise<readonly OutboxEntry[]> {
    const nowMs = this.#clock.now();
    return this.#database.write(async (transaction) => {
      const entries = await transaction
        .selectFrom(this.#table)
        .select(['id', 'line', 'leased_until_ms'])
        .orderBy('id')
        .limit(limit)
        .forUpdate()
        .execute();
      if (entries.some((entry) => entry.leased_until_ms > nowMs) || entries.length === 0) return [];
      await transaction
        .updateTable(this.#table)
        .set({ leased_until_ms: nowMs + leaseMs })
        .where(
          'id',
          'in',
          entries.map(({ id }) => id),
        )
        .execute();
      return entries.map(({ id, line }) => ({ id, line }));
    });
  }

  async remove(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#database.write((transaction) =>
      transaction.deleteFrom(this.#table).where('id', 'in', ids).execute(),
    );
  }

  async release(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#database.write((transaction) =>
      transaction
        .updateTable(this.#table)
        .set({ leased_until_ms: 0 })
        .where('id', 'in', ids)
        .execute(),
    );
  }

  count(): Promise<number> {
    return this.#database.read(async (database) => {
      const { entries } = await database
        .selectFrom(this.#table)
        .select((eb) => eb.fn.countAll<number>().as('entries'))
        .executeTakeFirstOrThrow();
      return entries;
    });
  }
}
