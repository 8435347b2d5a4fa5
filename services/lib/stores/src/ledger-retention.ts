import { StoreUnavailableError, type Clock, type Logger } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Database } from './database.ts';
import type { Tables } from './schema.ts';

const EVERY_MS = 3_600_000;
/** Of one transaction, which others wait for. */
const MAX_ROWS = 1000;

/**
 * Forgets ledger entries, digests that are kept, and replays that have ended, when they are older than `maxAgeMs`:
 * looks now and every hour. Plans, cursors and gaps stay, and with `makesDigests` what no digest names yet. Returns what ends it, when a look that is under way has ended.
 */
export function startLedgerRetention(options: {
  database: Database<Tables>;
  clock: Clock;
  logger: Logger;
  maxAgeMs: number;
  makesDigests: boolean;
}): () => Promise<void> {
  const { database, clock, logger, maxAgeMs, makesDigests } = options;
  let isStopped = false;
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const beforeMs = clock.now() - maxAgeMs;
    try {
      let removed = MAX_ROWS;
      while (removed === MAX_ROWS && !isStopped) {
        removed = await database.write((transaction) =>
          forget(transaction, { beforeMs, makesDigests }),
        );
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      logger.warn({ error: error.message }, 'old ledger entries stay for another hour');
    }
  };
  const start = (): void => {
    looking ??= look()
      .catch((error: unknown) => logger.error({ error }, 'old ledger entries cannot be removed'))
      .finally(() => (looking = undefined));
  };
  start();
  const stop = clock.every(EVERY_MS, start);
  return async () => {
    isStopped = true;
    stop();
    await looking;
  };
}

/** Resolves to the number of ledger entries that went. */
async function forget(
  transaction: Transaction<Tables>,
  { beforeMs, makesDigests }: { beforeMs: number; makesDigests: boolean },
): Promise<number> {
  const { numDeletedRows } = await transaction
    .deleteFrom('objects')
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('objects')
        .select('id')
        .where('ledger_at_ms', '<', beforeMs)
        // What a replay that runs has delivered is counted from its entries.
        .where(
          'job_id',
          'not in',
          eb.selectFrom('replays').select('id').where('ended_at_ms', 'is', null),
        )
        .$if(makesDigests, (select) => select.where('digest', 'is not', null))
        .orderBy('ledger_at_ms')
        .limit(MAX_ROWS),
    )
    .executeTakeFirstOrThrow();
  await transaction.deleteFrom('digests').where('settled_at_ms', '<', beforeMs).execute();
  const old = transaction
    .selectFrom('replays')
    .select('id')
    .where('ended_at_ms', '<', beforeMs)
    // They say whose digest their objects belong to.
    .where('id', 'not in', (eb) =>
      eb
        .selectFrom('objects')
        .select('job_id')
        .where('ledger_at_ms', 'is not', null)
        .where('digest', 'is', null),
    );
  await transaction.deleteFrom('replay_ranges').where('replay_id', 'in', old).execute();
  await transaction.deleteFrom('replays').where('id', 'in', old).execute();
  return Number(numDeletedRows);
}
