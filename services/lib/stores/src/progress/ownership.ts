import type { Ownership } from '@trailpush/core';
import type { Selectable, Transaction } from 'kysely';

import type { Tables } from '../schema.ts';

export type PartitionRow = Selectable<Tables['partitions']>;

/**
 * Locks a partition for the rest of the transaction: the first statement of everything that writes
 * progress. Later statements then see all that the previous holder of the lock has done.
 */
export async function lockPartition(
  transaction: Transaction<Tables>,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): Promise<PartitionRow | undefined> {
  return transaction
    .selectFrom('partitions')
    .selectAll()
    .where('topic', '=', topic)
    .where('partition', '=', partition)
    .forUpdate()
    .executeTakeFirst();
}

/** The locked partition, or undefined when the epoch is not the stored one: nothing may be written. */
export async function lockOwned(
  transaction: Transaction<Tables>,
  ownership: Ownership,
): Promise<PartitionRow | undefined> {
  const row = await lockPartition(transaction, ownership);
  return row?.epoch === ownership.epoch ? row : undefined;
}
