import { StoreUnavailableError } from '@trailpush/core';
import type { Kysely } from 'kysely';

import type { Database } from '../database.ts';
import type { AuditEngine } from './engine.ts';
import type { AuditTables } from './schema.ts';

/** How often a read begins anew because retention removed what it was about to read. */
const MAX_TRIES = 5;

/** Events that were found are no longer there. */
export class RemovedMeanwhileError extends Error {}

/**
 * A read of several statements that never shows a part: when retention drops a month between two of them, or
 * the read misses events that it has found (RemovedMeanwhileError), it begins anew.
 */
export async function readWhole<Result>(
  database: Database<AuditTables>,
  engine: AuditEngine,
  read: (kysely: Kysely<AuditTables>) => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    try {
      return await database.read(read);
    } catch (error) {
      if (!(error instanceof RemovedMeanwhileError) && !engine.isMonthGone(error)) throw error;
    }
  }
  throw new StoreUnavailableError(
    'retention is removing the events that were asked for: ask again, or for a later range',
  );
}
