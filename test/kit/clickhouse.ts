/** A real ClickHouse for tests: TEST_CLICKHOUSE_URL, else the engine of `chdb` behind an HTTP front. */
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createClient } from '@clickhouse/client';

import { answersHttp, findProgram, freePort, ServerProcess } from './s3/server-process.ts';

export interface TestClickhouse {
  readonly url: string;
  /** What answers there, for the report of a run. */
  readonly description: string;
  /** Does nothing to the server of TEST_CLICKHOUSE_URL. */
  stop(): Promise<void>;
}

/** Where `.ci/run` installs it. */
const CHDB_FOLDER = fileURLToPath(new URL('../../target/chdb', import.meta.url));
const START_MS = 60_000;
const NEEDED_BYTES = 1024 ** 3;

/**
 * Starts ClickHouse, or says in one line why none can be had: unlike other servers it may be missing with `CI=true`,
 * too, as its packages are large.
 * @throws Error when one was found but does not come up.
 */
export async function startClickhouse(): Promise<
  TestClickhouse | { readonly unavailable: string }
> {
  const given = process.env['TEST_CLICKHOUSE_URL'];
  if (given !== undefined && given !== '') {
    return { url: given, description: await describeServer(given), stop: async () => undefined };
  }
  const python = await findProgram('python3');
  if (python === undefined || !existsSync(join(CHDB_FOLDER, 'chdb'))) {
    return {
      unavailable:
        'no ClickHouse: set TEST_CLICKHOUSE_URL, or pip install --no-deps --target target/chdb chdb-core==26.9.0',
    };
  }
  return startChdb(python);
}

async function startChdb(python: string): Promise<TestClickhouse> {
  const folder = await mkdtemp(join(await fastFolder(), 'trailpush-clickhouse-'));
  const port = await freePort();
  const password = randomBytes(16).toString('hex');
  const script = fileURLToPath(new URL('clickhouse/server.py', import.meta.url));
  const path = [CHDB_FOLDER, process.env['PYTHONPATH']].filter(Boolean).join(delimiter);
  const server = new ServerProcess(
    python,
    [script, String(port), join(folder, 'data'), 'default', password],
    {
      logFile: join(folder, 'output.txt'),
      env: { PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: '1' },
    },
  );
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await server.ready(() => answersHttp(`http://127.0.0.1:${port}/ping`), START_MS);
    const url = `http://default:${password}@127.0.0.1:${port}`;
    return { url, description: `${await describeServer(url)} (chdb)`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Memory, if there is enough: each insertion waits for the disk. */
async function fastFolder(): Promise<string> {
  const memory = '/dev/shm';
  const { bavail, bsize } = await statfs(memory).catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize >= NEEDED_BYTES ? memory : tmpdir();
}

async function describeServer(url: string): Promise<string> {
  const client = createClient({ url });
  try {
    const result = await client.query({ query: 'select version() as v', format: 'JSONEachRow' });
    const [row] = await result.json<{ v: string }>();
    return `ClickHouse ${row?.v ?? ''}`;
  } finally {
    await client.close();
  }
}

/** A database of its own for one test file. */
export async function createClickhouseDatabase(
  server: string,
): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const name = `trailpush_${randomUUID().replaceAll('-', '')}`;
  const run = async (statement: string): Promise<void> => {
    const client = createClient({ url: server });
    await client.command({ query: statement });
    await client.close();
  };
  await run(`create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => run(`drop database ${name}`) };
}
