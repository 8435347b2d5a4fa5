import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';

/** Raised with every change of the tables below, together with the code that brings old files over. */
const SCHEMA_VERSION = 1;

/**
 * Four times the default, for chunks of half a megabyte; an append of one record, which writes three
 * pages, stays a small write.
 */
const PAGE_BYTES = 16 * 1024;
/** Pages wait in the write-ahead log until it has this size; a checkpoint stalls appends. */
const CHECKPOINT_BYTES = 32 * 1024 * 1024;

const TABLES = `
  CREATE TABLE partitions (
    partition    INTEGER PRIMARY KEY,
    end_offset   INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE chunks (
    id           INTEGER PRIMARY KEY,
    partition    INTEGER NOT NULL,
    base_offset  INTEGER NOT NULL,
    records      INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    data         BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX chunks_by_offset ON chunks (partition, base_offset);
  CREATE TABLE positions (
    group_id    TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_id, partition)
  ) STRICT, WITHOUT ROWID;
`;

/**
 * Opens the file of a log for this connection alone, and makes it when there is none.
 * @throws Error of SQLite, or one that says why the file cannot be used.
 */
export function openDatabase(path: string, partitions: number): Database.Database {
  createPrivately(path);
  const db = new Database(path, { timeout: 0 });
  try {
    configure(db);
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version > SCHEMA_VERSION) {
      throw new Error(`${path} was written by a newer version of Trailpush: install that version`);
    }
    if (version === 0) createTables(db, partitions);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** SQLite would make a file that everyone on the machine may read; its journal takes the same mode. */
function createPrivately(path: string): void {
  try {
    // Never an existing file: closing it would drop the locks that this process holds on it.
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function configure(db: Database.Database): void {
  // A second process would hand out the same offsets; this also spares the shared-memory file.
  db.pragma('locking_mode = EXCLUSIVE');
  // Both take effect in a new file only, before its first page is written.
  db.pragma(`page_size = ${PAGE_BYTES}`);
  db.pragma('auto_vacuum = INCREMENTAL');
  db.pragma('journal_mode = WAL');
  // In WAL mode only FULL syncs at every commit; fullfsync makes macOS really do it.
  db.pragma('synchronous = FULL');
  db.pragma('fullfsync = ON');
  db.pragma(`wal_autocheckpoint = ${CHECKPOINT_BYTES / PAGE_BYTES}`);
  db.pragma(`journal_size_limit = ${2 * CHECKPOINT_BYTES}`);
}

function createTables(db: Database.Database, partitions: number): void {
  db.transaction(() => {
    db.exec(TABLES);
    const insert = db.prepare('INSERT INTO partitions VALUES (?, 0, 0)');
    for (let partition = 0; partition < partitions; partition += 1) insert.run(partition);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  })();
}
