import { finished } from 'node:stream/promises';

import { ConfigError, messageOf, StoreUnavailableError, type Logger } from '@trailpush/core';
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

import { BulkLines } from './bulk.ts';
import { postgresFault, UnsafeIntegerError, type PostgresServer } from './postgres-faults.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** How long a call waits until one of the connections is free. */
const POOL_TIMEOUT_MS = 20_000;
/** What pg says then. */
const POOL_TIMEOUT_MESSAGE = 'timeout exceeded when trying to connect';
/** The server gives up a statement, or its wait for a lock. */
const STATEMENT_TIMEOUT_MS = 15_000;
/** We give up on a server that says nothing at all, say behind a network that drops packets. */
const ANSWER_TIMEOUT_MS = 20_000;
/** A process that froze inside a transaction lets go of its locks, so that another can take over. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_DELAY_MS = 10_000;
const MAX_CONNECTIONS = 10;

/** `url` with everything that Trailpush sets itself. @throws ConfigError when it is not a URL. */
export function postgresConfig(url: string, setting = 'DATABASE_URL'): pg.ClientConfig {
  const config: pg.ClientConfig = {
    connectionString: url,
    application_name: 'trailpush',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: { getTypeParser },
  };
  try {
    new pg.Client(config);
  } catch {
    // Without the cause: Node puts the whole URL, password included, into its error.
    throw new ConfigError(
      `${setting} is not a PostgreSQL address: it must read postgres://user:password@host:5432/database`,
    );
  }
  return config;
}

const getTypeParser: typeof pg.types.getTypeParser = (type, format) =>
  type === pg.types.builtins.INT8 ? safeInteger : (pg.types.getTypeParser(type, format) as unknown);

function safeInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new UnsafeIntegerError(`${text} in the database is larger than ${Number.MAX_SAFE_INTEGER}`);
}

/**
 * A bounded pool whose errors are those of the ports. A connection on which anything but an SQL
 * error happened is not used again.
 */
export function openPostgresPool(
  config: pg.ClientConfig,
  logger: Logger,
  setting = 'DATABASE_URL',
): PostgresPool {
  const pool = new pg.Pool({
    ...config,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: POOL_TIMEOUT_MS,
    // The pool would give its own, longer, timeout to each connection as well.
    Client: class extends pg.Client {
      constructor() {
        super(config);
      }
    },
  });
  const place = placeOf(config);
  const server = { place, setting };
  const onLost = (error: Error): void =>
    logger.debug({ err: error }, 'a connection to PostgreSQL was lost');
  pool.on('error', onLost);
  // The pool looks after idle connections only; one in use would end the process.
  pool.on('connect', (client) => void client.on('error', onLost));
  return {
    options: {},
    connect: async () => {
      try {
        return guarded(await pool.connect(), server);
      } catch (error) {
        if (messageOf(error) !== POOL_TIMEOUT_MESSAGE) throw postgresFault(error, server);
        throw new StoreUnavailableError(
          `${place} does not keep up: all ${MAX_CONNECTIONS} connections were busy for ${POOL_TIMEOUT_MS / 1000} s`,
        );
      }
    },
    end: () => pool.end(),
  };
}

/** A client that says the same as the first time, and waits no more, once its connection is broken. */
function guarded(client: pg.PoolClient, server: PostgresServer): PostgresPoolClient {
  let broken: Error | undefined;
  const query = async (text: string, parameters: readonly unknown[]): Promise<unknown> => {
    if (broken !== undefined) throw broken;
    try {
      const [bulk] = parameters;
      if (bulk instanceof BulkLines) return await copyIn(client, text, bulk);
      return await client.query(text, [...parameters]);
    } catch (error) {
      const fault = postgresFault(error, server);
      if (!(error instanceof pg.DatabaseError) && fault instanceof Error) broken = fault;
      throw fault;
    }
  };
  return {
    query: query as PostgresPoolClient['query'],
    release: (destroy) => client.release(broken !== undefined || destroy === true),
  };
}

/** Runs a `copy ... from stdin`. Resolves when the server has taken all rows. */
async function copyIn(
  client: pg.PoolClient,
  text: string,
  { bytes, rows }: BulkLines,
): Promise<object> {
  const stream = client.query(copyFrom(text));
  const taken = finished(stream);
  stream.end(bytes);
  await taken;
  return { command: 'COPY', rowCount: rows, rows: [] };
}

/** Where the server is, without user and password. */
export function placeOf(config: pg.ClientConfig): string {
  const { host, port } = new pg.Client(config);
  return `PostgreSQL at ${host}:${port}`;
}
