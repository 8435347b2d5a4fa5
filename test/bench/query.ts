/**
 * `npm run bench:query [-- --help]`: fills audit stores with the indexer, asks them what the query API asks, and
 * downloads from them. Prints tables for each store; a benchmark reports, it does not judge.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, Secret, type AuditStore } from '@trailpush/core';
import { systemClock as clock } from '@trailpush/runtime';
import { openPostgresAuditStore, openSqliteAuditStore } from '@trailpush/stores';
import { createClickhouseDatabase, startClickhouse } from '../kit/clickhouse.ts';
import { withClient } from '../kit/postgres/ready.ts';
import { startPostgres } from '../kit/postgres.ts';
import { measureDownloads } from './audit-download.ts';
import { fillAuditStore } from './audit-fill.ts';
import { measureQuestions } from './audit-questions.ts';
import { AuditWorld } from './audit-world.ts';
import { logger } from './world.ts';

const HELP = `npm run bench:query -- [options]

Without options: the embedded store with 1,000,000 events, then a PostgreSQL of its own with 10,000,000.
Progress is written to stderr, tables to stdout.

  --events N               so many events; the embedded store has 1,000,000 at most
  --only embedded|postgres|clickhouse one of them; ClickHouse is measured only if it is asked for
  --database URL           this PostgreSQL database instead. It is kept, and filled on from where a run
                           before has ended (with the same --events)
  --fill                   fills and does no more
`;
const MAX_EMBEDDED_EVENTS = 1_000_000;

/** What an administrator sets for a database that takes this much; as it comes, it has 128 MB of memory. */
const SETTINGS = {
  shared_buffers: `${Math.floor(totalmem() / 4 / 2 ** 20)}MB`,
  max_wal_size: '8GB',
  min_wal_size: '8GB',
  checkpoint_timeout: '15min',
  wal_compression: 'lz4',
};

/** Of 16 MB. */
const WAL_FILES = 512;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    only: { type: 'string', default: '' },
    database: { type: 'string', default: '' },
    fill: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const EVENTS = Number(values.events);

function printTable(rows: readonly (readonly string[])[]): void {
  const [head = [], ...rest] = rows;
  const all = [head, head.map(() => '---'), ...rest];
  process.stdout.write(`${all.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n\n`);
}

async function run(name: string, store: AuditStore, events: number): Promise<void> {
  const world = new AuditWorld(events);
  process.stdout.write(`\n${name}, ${events} events\n\n`);
  const filled = await fillAuditStore(store, world);
  printTable([
    ['events stored now', 'events/s', 'CPU s', 'database CPU s'],
    [filled.events, filled.perSecond, filled.cpuSeconds, filled.serverCpuSeconds].map((of) =>
      of.toFixed(1),
    ),
  ]);
  if (values.fill) return;
  const say = (what: string) => process.stderr.write(`bench: ${what}\n`);
  for (const measure of [measureQuestions, measureDownloads]) {
    try {
      printTable(await measure(store, world, say));
    } catch (error) {
      // The rest of a long run is worth having.
      process.stdout.write(`${messageOf(error)}\n\n`);
      process.exitCode = 1;
    }
  }
}

async function runEmbedded(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-bench-'));
  const opened = await openSqliteAuditStore({ file: join(folder, 'audit.db'), clock });
  await run('SQLite', opened.store, Math.min(EVENTS, MAX_EMBEDDED_EVENTS));
  await opened.close();
  rmSync(folder, { recursive: true });
}

/** Beside SQLite. */
async function runClickhouse(): Promise<void> {
  const server = await startClickhouse();
  if ('unavailable' in server) throw new Error(server.unavailable);
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-bench-'));
  const database = await createClickhouseDatabase(server.url);
  const clickhouseUrl = new Secret(database.url);
  const opened = await openSqliteAuditStore({
    ...{ file: join(folder, 'audit.db'), clickhouseUrl, clock },
  });
  try {
    await run(server.description, opened.store, EVENTS);
  } finally {
    await opened.close();
    await database.drop();
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

/**
 * A server that has run for a while has files for its log, and uses them again: making one costs more than filling it. So many are
 * there as it keeps.
 */
async function makeWalFiles(url: string): Promise<void> {
  process.stderr.write('bench: PostgreSQL makes the files of its log\n');
  await withClient(url, async (client) => {
    for (let file = 0; file < WAL_FILES; file += 1) {
      await client.query(`select pg_logical_emit_message(false, 'bench', '')`);
      await client.query('select pg_switch_wal()');
    }
    await client.query('checkpoint');
  });
}

async function runPostgres(): Promise<void> {
  const server =
    values.database === ''
      ? await startPostgres({ disposable: true, settings: SETTINGS })
      : undefined;
  if (server && 'unavailable' in server) throw new Error(server.unavailable);
  if (server) await makeWalFiles(server.url);
  const settings = Object.entries(SETTINGS).map(([name, value]) => `${name}=${value}`);
  const name = server ? `${server.description}, ${settings.join(', ')}` : 'PostgreSQL';
  const opened = await openPostgresAuditStore({
    ...{ url: server?.url ?? values.database, clock, logger },
  });
  try {
    await run(name, opened.store, EVENTS);
  } finally {
    await opened.close();
    await server?.stop();
  }
}

if (values.help) {
  process.stdout.write(HELP);
} else if (
  !Number.isSafeInteger(EVENTS) ||
  EVENTS < 1 ||
  !/^(|embedded|postgres|clickhouse)$/.test(values.only)
) {
  process.stderr.write(
    `--events must be a whole number, and --only embedded, postgres or clickhouse\n${HELP}`,
  );
  process.exitCode = 2;
} else {
  const isAsked = (name: string) => values.only === name;
  if (isAsked('') || isAsked('embedded')) await runEmbedded();
  if (isAsked('') || isAsked('postgres')) await runPostgres();
  if (isAsked('clickhouse')) await runClickhouse();
}
