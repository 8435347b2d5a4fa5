import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';

import { parseDestination } from './registry.ts';

destinationContract('file', {
  answers: 'none',
  storesByKey: true,
  async start() {
    const root = await mkdtemp(join(tmpdir(), 'trailpush-file-'));
    const conf = 'file://out/{DATE}';
    return {
      conf,
      parsed: parseDestination(conf, { allowPrivate: [], fileRoot: root }),
      async stored() {
        const entries = await readdir(root, { recursive: true, withFileTypes: true });
        const files = entries.filter((entry) => entry.isFile());
        return new Map(
          await Promise.all(
            files.map(async ({ parentPath, name }): Promise<[string, Buffer[]]> => {
              const path = join(parentPath, name);
              return [relative(root, path), [await readFile(path)]];
            }),
          ),
        );
      },
      faults: undefined,
      stop: () => rm(root, { recursive: true }),
    };
  },
});
