import type { Transaction } from 'kysely';

import { raiseCounter } from './counters.ts';
import type { Database } from './database.ts';
import type { JobChanges } from './job-changes.ts';
import { notifyOthers } from './postgres-notifications.ts';
import type { Tables } from './schema.ts';

/** One transaction that tells the watchers of jobs when it has changed something, by another result than undefined. */
export async function writeAnnounced<Result>(
  { database, changes }: { database: Database<Tables>; changes: JobChanges },
  change: (transaction: Transaction<Tables>) => Promise<Result>,
): Promise<Result> {
  const { result, version } = await database.write(async (transaction) => {
    const changed = await change(transaction);
    if (changed === undefined) return { result: changed, version: undefined };
    const raised = await raiseCounter(transaction, 'job_changes', 1);
    await notifyOthers(transaction, raised);
    return { result: changed, version: raised };
  });
  if (version !== undefined) changes.observe(version);
  return result;
}
