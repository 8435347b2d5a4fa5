import { StoreUnavailableError } from '@trailpush/core';
import { Kysely, sql, type Dialect, type Transaction } from 'kysely';

/** How often a transaction is begun anew because others were in its way. */
const MAX_TRIES = 5;

/**
 * How another transaction was in the way: `order`: the two cannot be put one after the other; `key`: it
 * took a foreign key away, or a unique key, between our look and our write.
 */
export type Conflict = 'order' | 'key';

/** What a dialect adds. Its errors already are those of the ports, or bugs. */
export interface Engine {
  readonly dialect: Dialect;
  /** For what only reads, when that has a connection of its own. */
  readonly reader?: Dialect;
  /** Undefined when no other transaction was in the way, so that trying again is of no use. */
  conflict(error: unknown): Conflict | undefined;
  /** One sentence while the database does not answer at all. */
  stalled(): string | undefined;
}

/** A database, and whether it can be used at the moment. */
export class Database<Tables> {
  readonly #engine: Engine;
  readonly #kysely: Kysely<Tables>;
  readonly #reader: Kysely<Tables>;
  #trouble: string | undefined;
  #closed = false;

  constructor(engine: Engine) {
    this.#engine = engine;
    const { dialect, reader } = engine;
    this.#kysely = new Kysely<Tables>({ dialect });
    this.#reader = reader ? new Kysely<Tables>({ dialect: reader }) : this.#kysely;
  }

  /**
   * One query, or several that need not see the same moment. They change nothing: see `run`.
   * @throws StoreUnavailableError
   */
  read<Result>(query: (database: Kysely<Tables>) => Promise<Result>): Promise<Result> {
    return this.#watched(() => query(this.#reader));
  }

  /** Statements that are each a transaction, or make their own. @throws as `write` */
  run<Result>(statements: (database: Kysely<Tables>) => Promise<Result>): Promise<Result> {
    return this.#watched(() => statements(this.#kysely));
  }

  /**
   * One transaction. `change` may run several times and must touch nothing but the transaction.
   * @throws StoreUnavailableError when it was not confirmed; it may be stored all the same.
   */
  async write<Result>(
    change: (transaction: Transaction<Tables>) => Promise<Result>,
  ): Promise<Result> {
    return this.run(async (kysely) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await kysely.transaction().execute(change);
        } catch (error) {
          const conflict = this.#engine.conflict(error);
          if (conflict === undefined) throw error;
          if (tries < MAX_TRIES) continue;
          // A key that is never there is a bug of ours; an order may be found later.
          if (conflict === 'key') throw error;
          throw new StoreUnavailableError(
            `other transactions were in the way of this one ${MAX_TRIES} times: is the database overloaded`,
            { cause: error },
          );
        }
      }
    });
  }

  async ping(): Promise<void> {
    await this.read((kysely) => sql`select 1`.execute(kysely));
  }

  /** Undefined while all is well, else one sentence. Any call that succeeds makes it well again. */
  health(): string | undefined {
    return this.#trouble ?? this.#engine.stalled();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#reader !== this.#kysely) await this.#reader.destroy();
    await this.#kysely.destroy();
  }

  async #watched<Result>(call: () => Promise<Result>): Promise<Result> {
    if (this.#closed) throw new StoreUnavailableError('the store was closed');
    try {
      const result = await call();
      this.#trouble = undefined;
      return result;
    } catch (error) {
      if (error instanceof StoreUnavailableError) this.#trouble = error.message;
      throw error;
    }
  }
}
