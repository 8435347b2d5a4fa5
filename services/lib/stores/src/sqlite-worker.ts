/** The thread that owns one SQLite file: statements come in, rows go out, in order. */
import { closeSync, openSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

import Database from 'better-sqlite3';

import type { SqliteAnswer, SqliteRequest, SqliteWorkerData } from './sqlite-thread.ts';

/** How long a statement waits for another process that holds the file, say a backup. */
const BUSY_TIMEOUT_MS = 5_000;
const MAX_CACHED_STATEMENTS = 200;
/** A log that once grew large is cut back to this. */
const WAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024;

const { file } = workerData as SqliteWorkerData;
const statements = new Map<string, Database.Statement>();
let opened: Database.Database | undefined;

// Now, since a process that is killed does not write it at its end.
flushCompileCache();

parentPort?.on('message', (request: SqliteRequest) => {
  if (request === 'close') {
    opened?.close();
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
    if (sql === 'rollback' && !opened.inTransaction) return { rows: [] };
    const statement = prepare(opened, sql);
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

function open(): Database.Database {
  // Dead letters hold whole records of customers: nobody else on this machine may read them.
  closeSync(openSync(file, 'a', 0o600));
  const database = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.pragma(`journal_size_limit = ${WAL_SIZE_LIMIT_BYTES}`);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** The most recently used statements stay prepared. */
function prepare(database: Database.Database, sql: string): Database.Statement {
  const cached = statements.get(sql);
  const statement = cached ?? database.prepare(sql);
  if (cached !== undefined) statements.delete(sql);
  statements.set(sql, statement);
  if (statements.size > MAX_CACHED_STATEMENTS) {
    for (const oldest of statements.keys()) {
      statements.delete(oldest);
      break;
    }
  }
  return statement;
}
