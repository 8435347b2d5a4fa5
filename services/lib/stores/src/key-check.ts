import { ConfigError, Secret } from '@trailpush/core';

import type { Database } from './database.ts';
import type { Tables } from './schema.ts';
import { SealBrokenError, type SecretBox } from './secret-box.ts';

const PLACE = { accountId: '', jobId: 0, field: 'key_check' };

/**
 * Makes sure that this key opens what the database holds, before a job is read or sealed. The first
 * process to come leaves a sealed text for that.
 * @throws ConfigError when it is another key.
 */
export async function checkSecretKey(database: Database<Tables>, box: SecretBox): Promise<void> {
  const sealed = await database.write(async (transaction) => {
    await transaction
      .insertInto('settings')
      .values({ name: 'key_check', value: box.seal(new Secret('trailpush'), PLACE) })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .execute();
    return transaction
      .selectFrom('settings')
      .select('value')
      .where('name', '=', 'key_check')
      .executeTakeFirstOrThrow();
  });
  try {
    box.open(sealed.value, PLACE);
  } catch (error) {
    if (!(error instanceof SealBrokenError)) throw error;
    throw new ConfigError(
      'TRAILPUSH_SECRET_KEY is not the key that this database was sealed with: set the key it was first started with',
    );
  }
}
