import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { S3Server } from './index.ts';
import { answersHttp, findProgram, freePort, ServerProcess } from './server-process.ts';

const START_MS = 20_000;

/** Versity S3 Gateway over a temporary folder; `go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`. */
export async function startVersitygw(): Promise<S3Server | undefined> {
  const program = await findProgram('versitygw');
  if (program === undefined) return undefined;
  const base = await mkdtemp(join(tmpdir(), 'trailpush-versitygw-'));
  const folder = join(base, 'objects');
  await mkdir(folder);
  const port = await freePort();
  const keys = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret/of+a=test' };
  const server = new ServerProcess(
    program,
    ['--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet', 'posix', folder],
    {
      logFile: join(base, 'log'),
      env: {
        ROOT_ACCESS_KEY_ID: keys.accessKeyId,
        ROOT_SECRET_ACCESS_KEY: keys.secretAccessKey,
      },
    },
  );
  const endpoint = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(base, { recursive: true, force: true });
  };
  try {
    await server.ready(() => answersHttp(endpoint), START_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, region: 'us-east-1', ...keys, description: 'Versity S3 Gateway', stop };
}
