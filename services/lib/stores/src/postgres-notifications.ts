import type { Clock, Logger } from '@trailpush/core';
import { sql, type Transaction } from 'kysely';
import pg from 'pg';

import { isPostgres } from './migrations/columns.ts';
import type { Tables } from './schema.ts';

const CHANNEL = 'trailpush_jobs';
const RECONNECT_DELAY_MS = 2_000;

/** Sent when the transaction commits. SQLite has one process, which needs no telling. */
export async function notifyOthers(
  transaction: Transaction<Tables>,
  version: number,
): Promise<void> {
  if (!isPostgres(transaction)) return;
  await sql`select pg_notify(${CHANNEL}, ${String(version)})`.execute(transaction);
}

export interface ListenOptions {
  readonly config: pg.ClientConfig;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Listens on a connection of its own, which is opened again whenever it is lost: polling covers what
 * is missed meanwhile. Returns what ends it.
 */
export function listenForJobs(
  options: ListenOptions,
  onVersion: (version: number) => void,
): () => Promise<void> {
  const stop = new AbortController();
  const done = keepListening(options, onVersion, stop.signal);
  return async () => {
    stop.abort();
    await done;
  };
}

async function keepListening(
  { config, clock, logger }: ListenOptions,
  onVersion: (version: number) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await listenOnce(config, onVersion, signal);
    } catch (error) {
      logger.debug({ err: error }, 'notifications of changed jobs are interrupted');
    }
    await clock.sleep(RECONNECT_DELAY_MS, signal).catch(() => undefined);
  }
}

/** Resolves when the connection has ended. */
async function listenOnce(
  config: pg.ClientConfig,
  onVersion: (version: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const client = new pg.Client(config);
  const ended = new Promise<void>((resolve) => {
    client.once('end', resolve);
    client.on('error', () => resolve());
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  client.on('notification', ({ payload }) => onVersion(Number(payload)));
  try {
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    await ended;
  } finally {
    await client.end();
  }
}
