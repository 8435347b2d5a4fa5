import { ClickHouseError } from '@clickhouse/client';
import { messageOf, QueryTooLargeError, StoreUnavailableError } from '@trailpush/core';

/** By the code of ClickHouse: what is wrong, and the remedy. */
const TROUBLES: Readonly<Record<string, string>> = {
  '60': 'lacks a table of the audit store: has somebody dropped it',
  '81': 'has no such database: create it, or check the path of TRAILPUSH_CLICKHOUSE_URL',
  '164':
    'lets this user only read: give the user of TRAILPUSH_CLICKHOUSE_URL all rights on its database',
  '192': 'does not know the user of TRAILPUSH_CLICKHOUSE_URL',
  '193': 'refuses the login: check user and password in TRAILPUSH_CLICKHOUSE_URL',
  '194': 'refuses the login: check user and password in TRAILPUSH_CLICKHOUSE_URL',
  '202': 'is busy with too many statements: is it overloaded',
  '242': 'takes no writes at the moment: look at its log',
  '243': 'has run out of disk space: give it more',
  '252': 'does not merge its parts as fast as events arrive: is it overloaded',
  '497':
    'does not permit this: give the user of TRAILPUSH_CLICKHOUSE_URL all rights on its database',
  '516': 'refuses the login: check user and password in TRAILPUSH_CLICKHOUSE_URL',
};

/** Time, rows, bytes and memory that a statement may take. */
const TOO_LARGE: ReadonlySet<string> = new Set(['158', '159', '160', '241', '307', '396']);

/** What the client rejects with, as the error that crosses the port. `place`: without user and password. */
export function clickhouseFault(error: unknown, place: string, kind: 'read' | 'write'): Error {
  if (!(error instanceof ClickHouseError)) {
    return new StoreUnavailableError(
      `${place} cannot be reached (${messageOf(error)}): check that it runs and that TRAILPUSH_CLICKHOUSE_URL is right`,
      { cause: error },
    );
  }
  const { code, type = '' } = error;
  if (kind === 'read' && TOO_LARGE.has(code)) {
    return new QueryTooLargeError(
      'this takes too long: choose a shorter time from since to before, or a filter that few events pass',
      { cause: error },
    );
  }
  const trouble = TROUBLES[code] ?? 'refuses a statement of Trailpush: look at its log';
  return new StoreUnavailableError(`${place} ${trouble} (${code} ${type})`, { cause: error });
}
