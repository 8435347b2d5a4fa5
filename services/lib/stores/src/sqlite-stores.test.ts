import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { openSqliteStores } from '@trailpush/stores';
import { storesContract } from '@trailpush/test/kit/contracts/stores.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';

storesContract('SQLite', {
  create: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trailpush-stores-'));
    const { logger } = createRecordingLogger();
    return {
      open: (options) => openSqliteStores({ ...options, file: join(folder, 'state.db'), logger }),
      contents: async () => {
        const files = await readdir(folder);
        return Buffer.concat(await Promise.all(files.map((name) => readFile(join(folder, name)))));
      },
      remove: () => rm(folder, { recursive: true }),
    };
  },
});
