import { StoreUnavailableError, type Clock } from '@trailpush/core';
import {
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
} from 'kysely';

import { SqliteThread, type SqliteConnectionName } from './sqlite-thread.ts';

/** Calls that wait for their connection. Past this they are refused: something is stuck. */
const MAX_WAITING = 10_000;
/** A statement that takes longer makes the process unready. */
const STALLED_MS = 10_000;

/** Kysely over one SQLite file in a thread of its own. */
export class SqliteDialect implements Dialect {
  readonly #driver: SqliteDriver;
  /** The same file for what only reads: nothing there waits for a transaction to end. */
  readonly reader: Dialect;

  constructor(options: { file: string; clock: Clock }) {
    const driver = new SqliteDriver(options.file, options.clock);
    this.#driver = driver;
    this.reader = {
      createDriver: () => new SqliteReadDriver(driver),
      createQueryCompiler: () => this.createQueryCompiler(),
      createAdapter: () => this.createAdapter(),
      createIntrospector: (database) => this.createIntrospector(database),
    };
  }

  createDriver(): Driver {
    return this.#driver;
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new Compiler();
  }

  createAdapter(): SqliteAdapter {
    return new Adapter();
  }

  createIntrospector(database: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(database);
  }

  /** One sentence while the disk does not answer. */
  health(): string | undefined {
    return this.#driver.health();
  }
}

class Adapter extends SqliteAdapter {
  /** The driver queues in order of arrival; Kysely's own mutex lets late calls overtake. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  /** A transaction holds the whole file, so migrations of two processes follow one another. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class Compiler extends SqliteQueryCompiler {
  /** `for update` and the like: SQLite has no row locks, and needs none in an immediate transaction. */
  protected override visitSelectModifier(): void {
    return;
  }
}

/** Hands the one connection to its users in order of arrival. */
class SqliteDriver implements Driver {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #thread: SqliteThread | undefined;
  #taken = false;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  async init(): Promise<void> {
    return;
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    await this.#take();
    return new SqliteConnection(this.thread(), 'writer');
  }

  /** A transaction ends with its thread, so only a new user gets a new thread. */
  thread(): SqliteThread {
    if (this.#thread === undefined || this.#thread.ended) {
      this.#thread = new SqliteThread(this.#file, this.#clock);
    }
    return this.#thread;
  }

  async #take(): Promise<void> {
    if (this.#taken) {
      this.refuseBeyond(this.#waiting.length);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#taken = true;
  }

  refuseBeyond(waiting: number): void {
    if (waiting < MAX_WAITING) return;
    throw new StoreUnavailableError(
      `the database ${this.#file} does not keep up: ${MAX_WAITING} calls are waiting for it`,
    );
  }

  async releaseConnection(): Promise<void> {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken = false;
    else next();
  }

  async beginTransaction(connection: SqliteConnection): Promise<void> {
    // Writers queue up front; a deferred one could fail half-way, when it wants to write.
    await connection.run('begin immediate');
  }

  async commitTransaction(connection: SqliteConnection): Promise<void> {
    await connection.run('commit');
  }

  async rollbackTransaction(connection: SqliteConnection): Promise<void> {
    await connection.run('rollback');
  }

  async destroy(): Promise<void> {
    // Behind all who are waiting.
    await this.#take();
    await this.#thread?.close();
  }

  health(): string | undefined {
    const waitingMs = this.#thread?.waitingMs() ?? 0;
    if (waitingMs < STALLED_MS) return undefined;
    return `the database ${this.#file} has not answered for ${Math.round(waitingMs / 1000)} s: check its disk`;
  }
}

/** Any number of queries at a time, each by itself. */
class SqliteReadDriver implements Driver {
  readonly #driver: SqliteDriver;

  constructor(driver: SqliteDriver) {
    this.#driver = driver;
  }

  async init(): Promise<void> {
    return;
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const thread = this.#driver.thread();
    this.#driver.refuseBeyond(thread.statementsWaiting);
    return new SqliteConnection(thread, 'reader');
  }

  async beginTransaction(): Promise<void> {
    throw new Error('no transaction begins on the connection that only reads');
  }

  async commitTransaction(): Promise<void> {
    return;
  }

  async rollbackTransaction(): Promise<void> {
    return;
  }

  async releaseConnection(): Promise<void> {
    return;
  }

  async destroy(): Promise<void> {
    return;
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #thread: SqliteThread;
  readonly #name: SqliteConnectionName;

  constructor(thread: SqliteThread, name: SqliteConnectionName) {
    this.#thread = thread;
    this.#name = name;
  }

  async run(sql: string): Promise<void> {
    await this.#thread.run(this.#name, sql, []);
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const { rows, changes } = await this.#thread.run(this.#name, sql, parameters);
    return {
      rows: rows as Row[],
      ...(changes === undefined ? {} : { numAffectedRows: BigInt(changes) }),
    };
  }

  streamQuery(): AsyncIterableIterator<never> {
    throw new Error('rows are not streamed from SQLite: ask for pages');
  }
}
