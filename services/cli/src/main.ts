import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { ConfigError, messageOf } from '@trailpush/core';
import { addAuditCommands } from './audit-admin.ts';
import { addDeadLetterCommands } from './deadletters.ts';
import { addDigestKeyCommands } from './digest-key.ts';
import { produceFile } from './produce.ts';
import { addReplayCommands } from './replay.ts';
import { addRestoreCommand } from './restore.ts';
import { runServices, type ServiceName } from './services.ts';
import { addTokenCommands } from './token.ts';
import { addTopicCommands } from './topic.ts';
import { addVerifyCommand } from './verify-command.ts';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

const SETTINGS_HELP = `
Settings come from the environment (README.md lists them all), for example:
  KAFKA_BROKERS   host:port,...        use Kafka instead of the embedded log
  DATABASE_URL    postgres://...       use PostgreSQL instead of SQLite
  TRAILPUSH_CLICKHOUSE_URL  https://...  keep audit events in ClickHouse
  TRAILPUSH_FILE_ROOT  /var/exports    allow file:// destinations below this folder
`;

/** Exit codes: 0 done, 1 failed, 2 a setting or an argument is wrong, 130 interrupted. */
async function main(): Promise<void> {
  const program = new Command('trailpush')
    .description('Audit logs from a log to S3, R2, HTTP and files, as Logpush does it.')
    .version(version)
    .configureOutput({
      outputError: (text, write) => {
        const words = text
          .replace(/^error: /, '')
          .trim()
          .replace(/\s*\n\s*/g, ' ');
        write(`trailpush: ${words} (--help shows what is possible)\n`);
      },
    })
    .addHelpText('after', SETTINGS_HELP)
    .exitOverride();

  const service = (name: string, description: string, services: readonly ServiceName[]) =>
    program
      .command(name)
      .description(description)
      .option('--port <number>', 'port to listen on (PORT, default 8787)')
      .option('--host <address>', 'address to listen on (TRAILPUSH_HOST, default 127.0.0.1)')
      .option(
        '--data <folder>',
        'folder for everything that is kept (TRAILPUSH_DATA, default ./data)',
      )
      .action((options: { port?: string; host?: string; data?: string }) =>
        runServices(services, {
          ...(options.port === undefined ? {} : { '--port': options.port }),
          ...(options.host === undefined ? {} : { '--host': options.host }),
          ...(options.data === undefined ? {} : { '--data': options.data }),
        }),
      );
  service('up', 'all services in one process', ['api', 'batcher', 'indexer']);
  service('api', 'the jobs API and the ingest endpoint', ['api']);
  service('batcher', 'deliveries: from the log to the destinations of the jobs', ['batcher']);
  service('indexer', 'the audit store: from the log to what queries read', ['indexer']);

  program
    .command('produce')
    .argument(
      '<file>',
      'NDJSON, one event a line in the shape of the audit API; - reads standard input',
    )
    .description('send audit events from a file to the log')
    .option('--data <folder>', 'data folder of the embedded log (TRAILPUSH_DATA, default ./data)')
    .action((file: string, options: { data?: string }) => produceFile(file, options));

  addReplayCommands(program);
  addTokenCommands(program);
  addDeadLetterCommands(program);
  addTopicCommands(program);
  addAuditCommands(program);
  addRestoreCommand(program);
  addDigestKeyCommands(program);
  addVerifyCommand(program);

  await program.parseAsync();
}

// Who reads our output may have enough, as `head` has: what was begun goes on, and the exit code stays true.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.exit(report(new Error(`standard output cannot be written (${messageOf(error)})`)));
});

try {
  await main();
} catch (error) {
  process.exitCode = report(error);
}

/** One line for the user, never a stack. Returns the exit code. */
function report(error: unknown): number {
  // Commander has printed its own words already.
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('commander.')) {
    return 'exitCode' in error && error.exitCode === 0 ? 0 : 2;
  }
  process.stderr.write(`trailpush: ${messageOf(error)}\n`);
  return error instanceof ConfigError ? 2 : 1;
}
