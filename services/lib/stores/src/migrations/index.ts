import { ConfigError } from '@trailpush/core';
import type { Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';

import type { Tables } from '../schema.ts';
import { createJobsAndProgress } from './0001-jobs-and-progress.ts';
import { createAccess } from './0002-access.ts';
import { createHealth } from './0003-health.ts';
import { createReplays } from './0004-replays.ts';
import { extendDeadLetters } from './0005-dead-letters.ts';
import { createDigests } from './0006-digests.ts';
import { createSavedQueries } from './0007-saved-queries.ts';
import { separateOrganizations } from './0008-organizations.ts';

/** In order of name. One that was released never changes: add the next. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001_jobs_and_progress': { up: createJobsAndProgress },
  '0002_access': { up: createAccess },
  '0003_health': { up: createHealth },
  '0004_replays': { up: createReplays },
  '0005_dead_letters': { up: extendDeadLetters },
  '0006_digests': { up: createDigests },
  '0007_saved_queries': { up: createSavedQueries },
  '0008_organizations': { up: separateOrganizations },
};

/** Brings jobs and progress up to date; see `migrateTo`. */
export async function migrate(database: Kysely<Tables>): Promise<void> {
  await migrateTo(database, 'state', MIGRATIONS);
}

/**
 * Brings the tables up to date. Processes that start together wait for one another. `name` begins the
 * names of the tables that know what was done.
 * @throws ConfigError when another version of the program has written this database.
 * @throws StoreUnavailableError
 */
export async function migrateTo<Tables>(
  database: Kysely<Tables>,
  name: string,
  migrations: Readonly<Record<string, Migration>>,
): Promise<void> {
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableName: `${name}_migrations`,
    migrationLockTableName: `${name}_migrations_lock`,
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && error.message.startsWith('corrupted migrations')) {
    throw new ConfigError(
      'this database was written by another version of Trailpush: start that version or a newer one',
      { cause: error },
    );
  }
  throw error as Error;
}
