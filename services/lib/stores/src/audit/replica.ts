import { ConfigError, StoreUnavailableError, type Clock } from '@trailpush/core';
import { sql } from 'kysely';

import type { Database } from '../database.ts';
import type { AuditTables } from './schema.ts';

export const REPLICA_SETTING = 'TRAILPUSH_AUDIT_REPLICA_URL';

/** How long a replica may be behind when the program starts, having perhaps just made the tables. */
const WAIT_MS = 10_000;
const LOOK_EVERY_MS = 250;

/**
 * Another database, say that of a test, would answer that there are no events. Which migrations were done when is
 * the same in a replica, and nowhere else. Waits until the replica has all of them.
 * @throws ConfigError when it is no replica.
 * @throws StoreUnavailableError when it does not get the migrations.
 */
export async function checkReplica(
  primary: Database<AuditTables>,
  replica: Database<AuditTables>,
  clock: Clock,
): Promise<void> {
  const done = await migrationsOf(primary);
  const untilMs = clock.monotonic() + WAIT_MS;
  for (;;) {
    const there = await migrationsOf(replica);
    if (there.some((migration, index) => migration !== done[index])) {
      throw new ConfigError(
        `${REPLICA_SETTING} names no replica of the database of DATABASE_URL: correct it, or unset it to ask that one`,
      );
    }
    if (there.length === done.length) return;
    if (clock.monotonic() > untilMs) {
      throw new StoreUnavailableError(
        `the database of ${REPLICA_SETTING} does not have the newest tables of DATABASE_URL: check that it is its replica, and is being replicated to`,
      );
    }
    await clock.sleep(LOOK_EVERY_MS);
  }
}

async function migrationsOf(database: Database<AuditTables>): Promise<readonly string[]> {
  return database.read(async (kysely) => {
    const { rows: tables } = await sql<{ name: string | null }>`
      select to_regclass('audit_migrations')::text as name
    `.execute(kysely);
    if (!tables[0]?.name) return [];
    const { rows } = await sql<{ done: string }>`
      select name || ' ' || timestamp as done from audit_migrations order by name
    `.execute(kysely);
    return rows.map(({ done }) => done);
  });
}
