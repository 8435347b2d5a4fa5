import { storesContract } from '@trailpush/test/kit/contracts/stores.ts';
import { createTestDatabase, withClient } from '@trailpush/test/kit/postgres/ready.ts';
import { startPostgres } from '@trailpush/test/kit/postgres.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { openPostgresStores } from '@trailpush/stores';
import { afterAll, describe, it } from 'vitest';

const server = await startPostgres();

if ('unavailable' in server) {
  describe('stores on PostgreSQL', () => it.skip(server.unavailable));
} else {
  afterAll(() => server.stop());
  storesContract(server.description, {
    create: async () => {
      const database = await createTestDatabase(server.url);
      const { logger } = createRecordingLogger();
      return {
        open: (options) => openPostgresStores({ ...options, url: database.url, logger }),
        contents: () => everyRow(database.url),
        remove: () => database.drop(),
      };
    },
  });
}

async function everyRow(url: string): Promise<Buffer> {
  return withClient(url, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      "select quote_ident(tablename) as name from pg_tables where schemaname = 'public'",
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
      texts.push(...rows.map(({ row }) => row));
    }
    return Buffer.from(texts.join('\n'));
  });
}
