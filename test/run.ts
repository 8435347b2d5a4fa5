/**
 * `npm test`: starts the real servers that can be had once for the whole run, runs every suite, and says
 * at the end what ran against what. With CI=true a server that cannot be had is a failure.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka } from './kit/kafka/index.ts';
import { startPostgres } from './kit/postgres.ts';
import { startS3 } from './kit/s3/index.ts';

/** A server for the whole run, or why there is none. */
type Server = { readonly name: string } & (
  | { readonly unavailable: string }
  | {
      /** What answers there. */
      readonly description: string;
      readonly environment: Readonly<Record<string, string>>;
      stop(): Promise<void>;
    }
);

async function kafka(): Promise<Server> {
  const { kafka: broker, reason } = await startKafka();
  const name = 'Kafka';
  if (!broker) return { name, unavailable: reason };
  const environment = { KAFKA_BROKERS: broker.brokers.join(',') };
  return { name, description: broker.description, environment, stop: () => broker.stop() };
}

async function postgres(): Promise<Server> {
  const started = await startPostgres();
  const name = 'PostgreSQL';
  if ('unavailable' in started) return { name, ...started };
  const environment = { TEST_DATABASE_URL: started.url };
  return { name, description: started.description, environment, stop: () => started.stop() };
}

async function s3(): Promise<Server> {
  const started = await startS3();
  const name = 'S3';
  if ('unavailable' in started) return { name, ...started };
  const environment = {
    TEST_S3_ENDPOINT: started.endpoint,
    TEST_S3_REGION: started.region,
    TEST_S3_ACCESS_KEY_ID: started.accessKeyId,
    TEST_S3_SECRET_ACCESS_KEY: started.secretAccessKey,
  };
  return { name, description: started.description, environment, stop: () => started.stop() };
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

/** Runs vitest with the servers in its environment. Resolves to its exit code. */
async function runSuites(environment: Record<string, string>, reportFile: string): Promise<number> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const child = spawn('vitest', ['run', ...reporters, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function summarise(servers: readonly Server[], reportFile: string): void {
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
  const lines = servers.map((server) => {
    const outcome =
      'unavailable' in server
        ? `SKIPPED: ${server.unavailable}`
        : `ran against ${server.description}`;
    return `  ${server.name.padEnd(11)} ${outcome}`;
  });
  process.stdout.write(`\nIntegration suites:\n${lines.join('\n')}\n\n`);
  const { numPassedTests, numFailedTests, numPendingTests } = report;
  process.stdout.write(
    `${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped\n`,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'trailpush-test-'));
const servers: Server[] = [];
try {
  for (const start of [kafka, postgres, s3]) servers.push(await start());
  const environment: Record<string, string> = {};
  for (const server of servers) {
    if (!('unavailable' in server)) Object.assign(environment, server.environment);
  }
  const reportFile = join(folder, 'report.json');
  process.exitCode = await runSuites(environment, reportFile);
  summarise(servers, reportFile);
} finally {
  await Promise.all(
    servers.map(async (server) => ('unavailable' in server ? undefined : server.stop())),
  );
  rmSync(folder, { recursive: true, force: true });
}
