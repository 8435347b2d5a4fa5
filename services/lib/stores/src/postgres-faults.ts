import { messageOf, StoreUnavailableError } from '@trailpush/core';
import pg from 'pg';

import type { Conflict } from './database.ts';

export interface PostgresServer {
  /** Without user and password. */
  readonly place: string;
  /** The name of the setting that names it. */
  readonly setting: string;
}

/** A number that JavaScript cannot hold: never rounded, always an error. */
export class UnsafeIntegerError extends Error {}

/** By SQLSTATE, or its first two characters: what is wrong, and the remedy. SETTING names the server. */
const TROUBLES: Readonly<Record<string, string>> = {
  '08': 'has lost the connection: check that it runs',
  '25006': 'takes no writes: SETTING must name the primary server',
  '25P03': 'ended a transaction that had paused for too long: is this machine overloaded',
  '28': 'refuses the login: check user and password in SETTING',
  '3D000': 'has no such database: check SETTING',
  '42501': 'does not permit this: grant the user of SETTING all rights on its schema',
  '53': 'has run out of disk space, memory or connections: give it more',
  '55P03': 'did not grant a lock in time: look for a session that holds it',
  '57': 'cancelled the statement or is going down: check that it runs and is not overloaded',
  '58': 'cannot read or write its files: check its disk',
  XX: 'reports an internal error, perhaps damaged files: look at its log',
};

/** What pg rejects with, as the error that crosses the port, or as a bug. */
export function postgresFault(error: unknown, { place, setting }: PostgresServer): unknown {
  if (error instanceof UnsafeIntegerError) return error;
  if (!(error instanceof pg.DatabaseError)) {
    return new StoreUnavailableError(
      `${place} cannot be reached (${connectionTrouble(error)}): check that it runs and that ${setting} is right`,
      { cause: error },
    );
  }
  const state = error.code ?? '';
  const trouble = TROUBLES[state] ?? TROUBLES[state.slice(0, 2)];
  if (trouble === undefined) return error;
  const said = trouble.replace('SETTING', setting);
  return new StoreUnavailableError(`${place} ${said} (${state}: ${error.message})`, {
    cause: error,
  });
}

/** A name with several addresses fails with one error for each of them, and no message of its own. */
function connectionTrouble(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return messageOf(first);
}

/** Whether another transaction was in the way, so that the same one may succeed from the start. */
export function postgresConflict(error: unknown): Conflict | undefined {
  return error instanceof pg.DatabaseError ? CONFLICTS[error.code ?? ''] : undefined;
}

const CONFLICTS: Readonly<Record<string, Conflict>> = {
  '40001': 'order',
  '40P01': 'order',
  '23503': 'key',
  '23505': 'key',
};
