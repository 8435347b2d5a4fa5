import { StoreUnavailableError } from '@trailpush/core';

/** A statement that SQLite refuses: a bug of ours. `code` is SQLite's. */
export class SqliteStatementError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'SqliteStatementError';
    this.code = code;
  }
}

/** By the part of SQLite's code before its detail: what is wrong, and the remedy. */
const TROUBLES: Readonly<Record<string, string>> = {
  BUSY: 'is held by another process: only one may use a data folder',
  LOCKED: 'is held by another process: only one may use a data folder',
  PROTOCOL: 'is held by another process: only one may use a data folder',
  FULL: 'cannot grow, because its disk is full: free some space',
  IOERR: 'cannot be read or written: check its disk',
  CANTOPEN: 'cannot be opened: check that its folder exists and is writable',
  READONLY:
    'cannot be written: check the permissions of its folder and that the disk is not read-only',
  PERM: 'cannot be opened: check its permissions',
  NOMEM: 'cannot be used, because memory has run out',
  CORRUPT: 'is damaged: stop the program and restore its data folder from a backup',
  NOTADB: 'is not a database: stop the program and restore its data folder from a backup',
};

/** What the worker reports, as the error that crosses the port, or as a bug. */
export function sqliteFault(
  file: string,
  { code, message }: { readonly code: string; readonly message: string },
): Error {
  const cause = new SqliteStatementError(code, message);
  if (code === 'NOT_OPENED') {
    return new StoreUnavailableError(`the database ${file} cannot be opened: ${message}`, {
      cause,
    });
  }
  const trouble = TROUBLES[code.split('_')[1] ?? ''];
  if (trouble === undefined) return cause;
  return new StoreUnavailableError(`the database ${file} ${trouble} (${code})`, { cause });
}
