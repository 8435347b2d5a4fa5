/** A real PostgreSQL for tests: TEST_DATABASE_URL, else Docker, else the server's programs. */
import { startDockerPostgres } from './postgres/docker.ts';
import { startPostgresPrograms } from './postgres/programs.ts';
import { waitUntilReady } from './postgres/ready.ts';

export interface TestPostgres {
  /** Of a user that may create databases; see `createTestDatabase`. */
  readonly url: string;
  /** What answers there, for the report of a run: `PostgreSQL 17.6 (Docker)`. */
  readonly description: string;
  /** Ends it at once, without a checkpoint, and cuts every connection. It stays down until `restart`. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, after stopping it in order if it still runs. */
  restart(): Promise<void>;
  /** Ends it and deletes its data. Does nothing to the server of TEST_DATABASE_URL. */
  stop(): Promise<void>;
}

export type StartedPostgres = TestPostgres | { readonly unavailable: string };

export interface StartPostgresOptions {
  /** A server of one's own, for tests that kill it: TEST_DATABASE_URL is left alone. */
  readonly disposable?: boolean;
  /** Of a server that is started here, by the names of its configuration. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts PostgreSQL, or says in one line why none can be had.
 * @throws Error when none can be had and `CI=true`, or when one was found but does not come up.
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<StartedPostgres> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given !== undefined && given !== '' && options.disposable !== true) return useGiven(given);
  const reasons: string[] = [];
  for (const start of [startDockerPostgres, startPostgresPrograms]) {
    const started = await start(options.settings ?? {});
    if (!('unavailable' in started)) return started;
    reasons.push(started.unavailable);
  }
  const unavailable = `no PostgreSQL: ${reasons.join('; ')}. Set TEST_DATABASE_URL, or install Docker or PostgreSQL`;
  if (process.env['CI'] === 'true') throw new Error(unavailable);
  return { unavailable };
}

async function useGiven(url: string): Promise<TestPostgres> {
  const version = await waitUntilReady(url);
  const refuse = async (): Promise<void> => {
    throw new Error(
      'the server of TEST_DATABASE_URL is not ours to stop: ask for a disposable one',
    );
  };
  return {
    url,
    description: `PostgreSQL ${version} (TEST_DATABASE_URL)`,
    kill: refuse,
    restart: refuse,
    stop: async () => undefined,
  };
}
