/**
 * The thread that owns one SQLite file: statements come in, rows go out, in order. Of its two connections one only
 * reads, so that a query need not wait for the end of a transaction.
 */
import { closeSync, openSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

import Database from 'better-sqlite3';

import type {
  SqliteAnswer,
  SqliteConnectionName,
  SqliteRequest,
  SqliteWorkerData,
} from './sqlite-thread.ts';

/** How long a statement waits for another process that holds the file, say a backup. */
const BUSY_TIMEOUT_MS = 5_000;
const MAX_CACHED_STATEMENTS = 200;
/** A log that once grew large is cut back to this. */
const WAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024;

/** The most recently used statements stay prepared. */
class Connection {
  readonly database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(...pragmas: readonly string[]) {
    this.database = new Database(file, { timeout: BUSY_TIMEOUT_MS });
    try {
      for (const pragma of pragmas) this.database.pragma(pragma);
    } catch (error) {
      this.database.close();
      throw error;
    }
  }

  prepare(sql: string): Database.Statement {
    const cached = this.#statements.get(sql);
    const statement = cached ?? this.database.prepare(sql);
    if (cached !== undefined) this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > MAX_CACHED_STATEMENTS) {
      for (const oldest of this.#statements.keys()) {
        this.#statements.delete(oldest);
        break;
      }
    }
    return statement;
  }
}

const { file } = workerData as SqliteWorkerData;
let opened: Readonly<Record<SqliteConnectionName, Connection>> | undefined;

// Now, since a process that is killed does not write it at its end.
flushCompileCache();

parentPort?.on('message', (request: SqliteRequest) => {
  if (request === 'close') {
    opened?.reader.database.close();
    opened?.writer.database.close();
    parentPort?.close();
    return;
  }
  parentPort?.postMessage(answer(request));
});

function answer(request: Exclude<SqliteRequest, 'close'>): SqliteAnswer {
  const { sql } = request;
  try {
    // Opening is tried again with every statement, so that a full or missing disk can come back.
    opened ??= open();
  } catch (error) {
    return failure(error, 'NOT_OPENED');
  }
  try {
    // SQLite ends a transaction by itself when the disk is full.
    const connection = opened[request.on];
    if (sql === 'rollback' && !connection.database.inTransaction) return { rows: [] };
    const statement = connection.prepare(sql);
    if ('rows' in request) {
      let changes = 0;
      for (const row of request.rows) changes += statement.run(...row).changes;
      return { rows: [], changes };
    }
    const { parameters } = request;
    if (statement.reader) return { rows: statement.all(...parameters) };
    const { changes } = statement.run(...parameters);
    return { rows: [], changes };
  } catch (error) {
    return failure(error, 'MISUSED');
  }
}

function failure(error: unknown, code: string): SqliteAnswer {
  return {
    code: error instanceof Database.SqliteError ? error.code : code,
    message: error instanceof Error ? error.message : String(error),
  };
}

function open(): Readonly<Record<SqliteConnectionName, Connection>> {
  // Dead letters hold whole records of customers: nobody else on this machine may read them.
  closeSync(openSync(file, 'a', 0o600));
  // In this order: the first makes the file one that others can read while it is written.
  const writer = new Connection(
    'journal_mode = WAL',
    'synchronous = FULL',
    'foreign_keys = ON',
    `journal_size_limit = ${WAL_SIZE_LIMIT_BYTES}`,
  );
  try {
    return { writer, reader: new Connection('query_only = ON') };
  } catch (error) {
    writer.database.close();
    throw error;
  }
}
