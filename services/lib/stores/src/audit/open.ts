import {
  Secret,
  type AuditRetention,
  type AuditStore,
  type Clock,
  type Logger,
} from '@trailpush/core';
import { PostgresDialect } from 'kysely';

import { Database } from '../database.ts';
import { migrateTo } from '../migrations/index.ts';
import { postgresConflict } from '../postgres-faults.ts';
import { openPostgresPool, postgresConfig } from '../postgres-pool.ts';
import { SqliteDialect } from '../sqlite-dialect.ts';
import { SqlAuditRetention } from './audit-retention.ts';
import { SqlAuditStore, type SqlAuditOptions } from './audit-store.ts';
import { ClickhouseAuditRetention } from './clickhouse/clickhouse-audit-retention.ts';
import { ClickhouseAuditStore } from './clickhouse/clickhouse-audit-store.ts';
import { Clickhouse } from './clickhouse/clickhouse.ts';
import { EventWriter } from './clickhouse/event-writer.ts';
import { openEvents, requireEventsInSql } from './clickhouse/owner.ts';
import type { AuditEngine } from './engine.ts';
import { createAudit } from './migrations/0001-audit.ts';
import { addIngestionOrder } from './migrations/0002-ingestion-order.ts';
import { addSearch } from './migrations/0003-search.ts';
import { createRetention } from './migrations/0004-retention.ts';
import { addClickhouse } from './migrations/0005-clickhouse.ts';
import { postgresAudit } from './postgres-engine.ts';
import { checkReplica, REPLICA_SETTING } from './replica.ts';
import type { AuditTables } from './schema.ts';
import { sqliteAudit } from './sqlite-engine.ts';
import { Tenants } from './tenants.ts';

/** In order of name. One that was released never changes: add the next. */
const MIGRATIONS = {
  '0001_audit': { up: createAudit },
  '0002_ingestion_order': { up: addIngestionOrder },
  '0003_search': { up: addSearch },
  '0004_retention': { up: createRetention },
  '0005_clickhouse': { up: addClickhouse },
};

/**
 * Every query knows which index it wants, and tables are too large for anything else: without these, a
 * table whose statistics are out of date is read as a whole.
 */
const PLANNER = '-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off';

export interface OpenAuditStore {
  readonly store: AuditStore;
  readonly retention: AuditRetention;
  /** Undefined while all is well, else one sentence for `/readyz`. */
  health(): string | undefined;
  close(): Promise<void>;
}

/**
 * Opens the audit store of a single process, and makes it if there is none.
 * @throws ConfigError when another version of the program has written it.
 * @throws StoreUnavailableError
 */
export async function openSqliteAuditStore(options: {
  readonly file: string;
  readonly clock: Clock;
  readonly clickhouseUrl?: Secret | undefined;
}): Promise<OpenAuditStore> {
  const dialect = new SqliteDialect(options);
  const engine: AuditEngine = {
    ...sqliteAudit,
    dialect,
    reader: dialect.reader,
    conflict: () => undefined,
    stalled: () => dialect.health(),
  };
  return open(engine, options.clock, { clickhouseUrl: options.clickhouseUrl });
}

/**
 * Opens the audit store in a PostgreSQL database that several processes may share.
 * @throws ConfigError as above, or when `url` is malformed.
 * @throws StoreUnavailableError
 */
export async function openPostgresAuditStore(options: {
  readonly url: Secret | string;
  /** Answers what is asked about events; a few moments behind. */
  readonly replicaUrl?: Secret | string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly clickhouseUrl?: Secret | undefined;
}): Promise<OpenAuditStore> {
  const { url, replicaUrl, clickhouseUrl, clock, logger } = options;
  const engine = postgresEngine(url, 'DATABASE_URL', logger);
  const replica = replicaUrl && postgresEngine(replicaUrl, REPLICA_SETTING, logger);
  return open(engine, clock, { replica: replica || undefined, clickhouseUrl });
}

function postgresEngine(url: Secret | string, setting: string, logger: Logger): AuditEngine {
  const config = postgresConfig(url instanceof Secret ? url.reveal() : url, setting);
  const pool = openPostgresPool({ ...config, options: PLANNER }, logger, setting);
  return {
    ...postgresAudit,
    dialect: new PostgresDialect({ pool }),
    conflict: postgresConflict,
    stalled: () => undefined,
  };
}

async function open(
  engine: AuditEngine,
  clock: Clock,
  {
    replica,
    clickhouseUrl,
  }: { replica?: AuditEngine | undefined; clickhouseUrl: Secret | undefined },
): Promise<OpenAuditStore> {
  const database = new Database<AuditTables>(engine);
  const queries = replica ? new Database<AuditTables>(replica) : database;
  const close = async (): Promise<void> => {
    if (queries !== database) await queries.close();
    await database.close();
  };
  try {
    await database.run((kysely) => migrateTo(kysely, 'audit', MIGRATIONS));
    if (queries !== database) await checkReplica(database, queries, clock);
    const shared = { database, queries, engine, clock, tenants: new Tenants(database, queries) };
    if (clickhouseUrl) return await openClickhouse(shared, clickhouseUrl);
    await requireEventsInSql(database);
    return {
      store: new SqlAuditStore(shared),
      retention: new SqlAuditRetention(shared),
      health: () => database.health() ?? queries.health(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openClickhouse(shared: SqlAuditOptions, url: Secret): Promise<OpenAuditStore> {
  const { database, clock } = shared;
  const clickhouse = new Clickhouse(url.reveal());
  try {
    await openEvents(database, clickhouse);
  } catch (error) {
    await clickhouse.close();
    throw error;
  }
  const writer = new EventWriter({ database, clickhouse, clock });
  return {
    store: new ClickhouseAuditStore({ ...shared, clickhouse, writer }),
    retention: new ClickhouseAuditRetention({ ...shared, clickhouse, writer }),
    health: () => database.health() ?? clickhouse.health(),
    close: async () => {
      await clickhouse.close();
      await database.close();
    },
  };
}
