import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ConfigError, messageOf } from '@trailpush/core';

export interface DataFolderLock {
  release(): void;
}

/** A connection that is garbage collected closes, and its lock with it. */
const held = new Set<Database.Database>();

/**
 * Takes a data folder, made when missing, for this process alone, until `release` or the end of the
 * process. SQLite's lock on an empty file: the system frees it however the process ends, so none is
 * ever stale.
 * @throws ConfigError when another process has the folder, or it cannot be written.
 */
export function lockDataFolder(dir: string): DataFolderLock {
  // The number is in a file of its own: closing the locked file, even after reading, drops its lock.
  const pidPath = join(dir, 'lock.pid');
  const db = takeLock(dir, pidPath);
  held.add(db);
  writeFileSync(pidPath, `${process.pid}\n`);
  return {
    release: () => {
      if (!held.delete(db)) return;
      rmSync(pidPath, { force: true });
      db.close();
    },
  };
}

function takeLock(dir: string, pidPath: string): Database.Database {
  let db: Database.Database | undefined;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    db = new Database(join(dir, 'lock'), { timeout: 0 });
    db.exec('BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_BUSY') {
      throw new ConfigError(
        `data folder ${dir} is in use by another process${pidIn(pidPath)}: ` +
          'stop it, or choose another folder (--data, TRAILPUSH_DATA)',
      );
    }
    throw new ConfigError(
      `data folder ${dir} cannot be used (${messageOf(error)}): ` +
        'make it a writable folder with free space, or choose another one (--data, TRAILPUSH_DATA)',
    );
  }
}

function pidIn(path: string): string {
  try {
    return ` (pid ${readFileSync(path, 'utf8').trim()})`;
  } catch {
    return '';
  }
}
