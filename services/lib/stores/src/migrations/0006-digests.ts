import { sql, type Kysely } from 'kysely';

import type { Tables } from '../schema.ts';
import { bytes } from './columns.ts';

/** Chains of digests, their keys, and which digest names an object or a gap. */
export async function createDigests(database: Kysely<never>): Promise<void> {
  await database.schema
    .createTable('digest_chains')
    .addColumn('job_id', 'bigint', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('sealed_until_ms', 'bigint', (column) => column.notNull())
    .addColumn('hash', 'text')
    .addColumn('signature', 'text')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('dead_letter_id', 'bigint', (column) => column.notNull())
    .addColumn('places', 'text', (column) => column.notNull())
    .addColumn('positions', 'text', (column) => column.notNull())
    .addColumn('due_at_ms', 'bigint')
    .addColumn('tries', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema
    .createIndex('due_digest_chains')
    .on('digest_chains')
    .column('due_at_ms')
    .where(sql.ref('due_at_ms'), 'is not', null)
    .execute();
  await database.schema
    .createTable('digests')
    .addColumn('job_id', 'bigint', (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('from_ms', 'bigint', (column) => column.notNull())
    .addColumn('to_ms', 'bigint', (column) => column.notNull())
    .addColumn('location', 'text')
    .addColumn('folder', 'text')
    .addColumn('body', bytes(database), (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('signature', 'text', (column) => column.notNull())
    .addColumn('key_id', 'text', (column) => column.notNull())
    .addColumn('is_part', 'bigint', (column) => column.notNull())
    .addColumn('settled_at_ms', 'bigint')
    .addPrimaryKeyConstraint('digests_key', ['job_id', 'sequence'])
    .execute();
  await database.schema
    .createIndex('settled_digests')
    .on('digests')
    .column('settled_at_ms')
    .where(sql.ref('settled_at_ms'), 'is not', null)
    .execute();
  await database.schema
    .createTable('digest_keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('public_key', 'text', (column) => column.notNull())
    .addColumn('private_key', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('retired_at_ms', 'bigint')
    .execute();
  // Two processes that make the first one at once shall not both sign.
  await database.schema
    .createIndex('one_digest_key')
    .unique()
    .on('digest_keys')
    .column(sql`(retired_at_ms is null)`)
    .where(sql.ref('retired_at_ms'), 'is', null)
    .execute();
  await extendObjects(database as unknown as Kysely<Tables>);
}

async function extendObjects(database: Kysely<Tables>): Promise<void> {
  await database.schema.alterTable('gaps').addColumn('digest', 'bigint').execute();
  await database.schema.alterTable('objects').addColumn('digest', 'bigint').execute();
  // Nobody will ever make a digest of these: their jobs are gone.
  await database
    .updateTable('objects')
    .set({ digest: 0 })
    .where('ledger_at_ms', 'is not', null)
    .where('job_id', 'not in', (eb) => eb.selectFrom('jobs').select('id'))
    .where('job_id', 'not in', (eb) => eb.selectFrom('replays').select('id'))
    .execute();
  await database.schema
    .createIndex('undigested_objects')
    .on('objects')
    .columns(['job_id', 'id'])
    .where(sql.ref('ledger_at_ms'), 'is not', null)
    .where(sql.ref('digest'), 'is', null)
    .execute();
}
