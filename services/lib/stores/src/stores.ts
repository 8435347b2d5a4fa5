import {
  Secret,
  type AuditTrail,
  type Clock,
  type DeadLetterStore,
  type DigestKeyStore,
  type DigestStore,
  type HealthStore,
  type JobStore,
  type Logger,
  type Outbox,
  type ProgressStore,
  type TokenStore,
  type ReplayStore,
  type SavedQueryStore,
  type TopicStore,
} from '@trailpush/core';
import { PostgresDialect } from 'kysely';

import { readCounter } from './counters.ts';
import { Database, type Engine } from './database.ts';
import { SqlDeadLetterStore } from './dead-letter-store.ts';
import { SqlDigestKeyStore } from './digest-keys.ts';
import { SqlDigestStore } from './digest-store.ts';
import { JobChanges, type JobChangesOptions } from './job-changes.ts';
import { SqlHealthStore } from './health-store.ts';
import { SqlJobStore } from './job-store.ts';
import { checkSecretKey } from './key-check.ts';
import { startLedgerRetention } from './ledger-retention.ts';
import { migrate } from './migrations/index.ts';
import { SqlAuditTrail, SqlOutbox } from './outbox.ts';
import { postgresConflict } from './postgres-faults.ts';
import { listenForJobs } from './postgres-notifications.ts';
import { openPostgresPool, postgresConfig } from './postgres-pool.ts';
import { SqlProgressStore } from './progress-store.ts';
import { SqlReplayStore } from './replay-store.ts';
import { SqlSavedQueryStore } from './saved-query-store.ts';
import type { Tables } from './schema.ts';
import { SecretBox } from './secret-box.ts';
import { SqlTopicStore } from './topic-store.ts';
import { SqliteDialect } from './sqlite-dialect.ts';
import { SqlTokenStore } from './token-store.ts';

/** Jobs, progress and tokens in one database. */
export interface Stores {
  readonly jobs: JobStore;
  readonly progress: ProgressStore;
  readonly deadLetters: DeadLetterStore;
  readonly digests: DigestStore;
  readonly digestKeys: DigestKeyStore;
  readonly tokens: TokenStore;
  readonly savedQueries: SavedQueryStore;
  readonly replays: ReplayStore;
  readonly topics: TopicStore;
  readonly outbox: Outbox;
  readonly auditTrail: AuditTrail;
  readonly jobHealth: HealthStore;
  /** @throws StoreUnavailableError */
  ping(): Promise<void>;
  /** Undefined while all is well, else one sentence for `/readyz`. */
  health(): string | undefined;
  close(): Promise<void>;
}

interface CommonOptions {
  /** 32 bytes that destination secrets are sealed with. */
  readonly secretKey: Buffer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Older ledger entries go; undefined: none do. */
  readonly ledgerMaxAgeMs?: number;
  /** Nothing of the ledger goes before a digest names it. */
  readonly makesDigests?: boolean;
}

/**
 * Opens the database of a single process, and makes it if there is none.
 * @throws ConfigError when the key or the version of the program is not the database's.
 * @throws StoreUnavailableError
 */
export async function openSqliteStores(
  options: CommonOptions & { readonly file: string },
): Promise<Stores> {
  const dialect = new SqliteDialect(options);
  const engine: Engine = {
    dialect,
    reader: dialect.reader,
    conflict: () => undefined,
    stalled: () => dialect.health(),
  };
  return openStores(engine, undefined, options);
}

/**
 * Opens a PostgreSQL database that several processes may share.
 * @throws ConfigError as above, or when `url` is malformed.
 * @throws StoreUnavailableError
 */
export async function openPostgresStores(
  options: CommonOptions & { readonly url: Secret | string },
): Promise<Stores> {
  const { url, clock, logger } = options;
  const config = postgresConfig(url instanceof Secret ? url.reveal() : url);
  const engine: Engine = {
    dialect: new PostgresDialect({ pool: openPostgresPool(config, logger) }),
    conflict: postgresConflict,
    stalled: () => undefined,
  };
  const listen: JobChangesOptions['listen'] = (onVersion) =>
    listenForJobs({ config, clock, logger }, onVersion);
  return openStores(engine, listen, options);
}

async function openStores(
  engine: Engine,
  listen: JobChangesOptions['listen'],
  { secretKey, clock, logger, ledgerMaxAgeMs: maxAgeMs, makesDigests = false }: CommonOptions,
): Promise<Stores> {
  const box = new SecretBox(secretKey);
  const database = new Database<Tables>(engine);
  try {
    await database.run((kysely) => migrate(kysely));
    await checkSecretKey(database, box);
  } catch (error) {
    await database.close();
    throw error;
  }
  const changes = new JobChanges({
    readVersion: () => readCounter(database, 'job_changes'),
    listen,
    clock,
    logger,
  });
  const stopRetention =
    maxAgeMs === undefined
      ? undefined
      : startLedgerRetention({ database, clock, logger, maxAgeMs, makesDigests });
  return {
    jobs: new SqlJobStore({ database, box, changes, clock, logger }),
    progress: new SqlProgressStore({ database, clock }),
    deadLetters: new SqlDeadLetterStore(database),
    digests: new SqlDigestStore({ database, box, clock }),
    digestKeys: new SqlDigestKeyStore({ database, box, clock }),
    tokens: new SqlTokenStore(database, clock),
    savedQueries: new SqlSavedQueryStore(database, clock),
    replays: new SqlReplayStore({ database, box, changes, clock }),
    topics: new SqlTopicStore({ database, clock }),
    outbox: new SqlOutbox(database, clock, 'outbox'),
    auditTrail: new SqlAuditTrail(database, clock),
    jobHealth: new SqlHealthStore(database, clock),
    ping: () => database.ping(),
    health: () => database.health(),
    close: async () => {
      await stopRetention?.();
      await changes.close();
      await database.close();
    },
  };
}
