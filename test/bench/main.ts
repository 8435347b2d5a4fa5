/**
 * `npm run bench [-- --events N] [--only stages|embedded|backlog|kafka]`: stages of the hot path, whole runs from
 * a filled log to a destination, and a job that has ten times as many events behind it. Prints one table; a benchmark reports, it does not judge.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NODE_ENVIRONMENT, NODE_FLAGS } from '@trailpush/cli/node-settings';
import { startKafka } from '../kit/kafka/index.ts';
import { startS3 } from '../kit/s3/index.ts';
import type { Run, RunResult } from './deliver.ts';
import type { Load } from './events.ts';
import type { StageRow } from './stages.ts';
import type { LogPlace } from './world.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    only: { type: 'string', default: '' },
  },
});
const EVENTS = Number(values.events);
const LEVELS = [6, 1] as const;
const MANY_ACCOUNTS = 100;
const BACKLOG_EVENTS = 10 * EVENTS;

const folder = mkdtempSync(join(tmpdir(), 'trailpush-bench-'));
const fileRoot = join(folder, 'files');
mkdirSync(fileRoot);

/** Runs a child, with Node set as the program sets it, and gives the last line of its output. */
async function child(script: string, ...args: string[]): Promise<string> {
  const command = [...NODE_FLAGS, join(import.meta.dirname, script), ...args];
  const process_ = spawn(process.execPath, command, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...NODE_ENVIRONMENT },
  });
  let output = '';
  process_.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise((resolve) => process_.once('exit', resolve));
  if (code !== 0) throw new Error(`${script} ended with ${String(code)}`);
  return output.trimEnd().split('\n').at(-1) ?? '';
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

type Row = readonly string[];
const HEADER: Row = ['run', 'events/s', 'MB/s NDJSON', 'CPU s/GB', 'peak MB', 'MB out', 'objects'];

function print(rows: readonly Row[]): void {
  const all = [HEADER, HEADER.map(() => '---'), ...rows];
  process.stdout.write(`${all.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`);
}

const round = (value: number, digits = 0) => value.toFixed(digits);

async function stages(): Promise<Row[]> {
  say('stages');
  const { rows, lineBytes } = JSON.parse(await child('stages.ts')) as {
    rows: StageRow[];
    lineBytes: number;
  };
  say(`lines have ${round(lineBytes)} bytes on average`);
  return rows.map((row) => [
    row.stage,
    round(row.eventsPerSecond),
    round(row.megabytesPerSecond),
    round(row.cpuSecondsPerGigabyte, 2),
    '',
    '',
    '',
  ]);
}

function runRow(name: string, load: Load, result: RunResult): Row {
  const { seconds, cpuSeconds, payloadBytes, wireBytes, objects, peakResidentBytes } = result;
  return [
    name,
    round(load.events / seconds),
    round(payloadBytes / 1e6 / seconds, 1),
    round(cpuSeconds / (payloadBytes / 1e9), 1),
    round(peakResidentBytes / 1e6),
    round(wireBytes / 1e6),
    String(objects),
  ];
}

interface RunsOptions {
  readonly load: Load;
  readonly place: LogPlace;
  readonly conf: string;
  readonly isBacklog?: boolean;
}

/** Fills one log and delivers it at each gzip level. */
async function runs(
  name: string,
  { load, place, conf, isBacklog = false }: RunsOptions,
): Promise<Row[]> {
  const accounts = load.accounts === 1 ? '1 account' : `${load.accounts} accounts, a job each`;
  say(`filling for ${name}, ${accounts}`);
  await child('fill.ts', JSON.stringify(load), JSON.stringify(place));
  const rows: Row[] = [];
  for (const gzipLevel of LEVELS) {
    say(`${name}, ${accounts}, gzip ${gzipLevel}`);
    const run: Run = {
      load,
      place,
      gzipLevel,
      conf: conf.replace('LEVEL', String(gzipLevel)),
      fileRoot,
      isBacklog,
    };
    const result = JSON.parse(await child('deliver.ts', JSON.stringify(run))) as RunResult;
    rows.push(runRow(`${name}, ${accounts}, gzip ${gzipLevel}`, load, result));
  }
  return rows;
}

async function embedded(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const accounts of [1, MANY_ACCOUNTS]) {
    const place = { folder: join(folder, `log-${accounts}`), brokers: [], topic: 'audit.events' };
    const conf = `file://level-LEVEL-${accounts}/{DATE}`;
    const load = { events: EVENTS, accounts };
    rows.push(...(await runs('embedded log -> file', { load, place, conf })));
    rmSync(place.folder, { recursive: true });
  }
  return rows;
}

async function backlog(): Promise<Row[]> {
  const place = { folder: join(folder, 'log-backlog'), brokers: [], topic: 'audit.events' };
  const load = { events: BACKLOG_EVENTS, accounts: 1 };
  const conf = 'file://backlog-LEVEL/{DATE}';
  return runs('backlog, embedded log -> file', { load, place, conf, isBacklog: true });
}

async function kafka(): Promise<Row[]> {
  const [broker, s3] = [await startKafka(), await startS3()];
  if (!broker.kafka || 'unavailable' in s3) {
    say(`no Kafka -> S3: ${broker.reason ?? ''} ${'unavailable' in s3 ? s3.unavailable : ''}`);
    return [];
  }
  try {
    say(`against ${broker.kafka.description} and ${s3.description}`);
    const bucket = `bench-${Date.now()}`;
    await s3.createBucket(bucket);
    const secret = encodeURIComponent(s3.secretAccessKey);
    const query = `region=${s3.region}&endpoint=${s3.endpoint}&access-key-id=${s3.accessKeyId}&secret-access-key=${secret}`;
    const rows: Row[] = [];
    for (const accounts of [1, MANY_ACCOUNTS]) {
      const stateFolder = join(folder, `kafka-${accounts}`);
      mkdirSync(stateFolder);
      const place = {
        folder: stateFolder,
        brokers: broker.kafka.brokers,
        topic: `bench-${Date.now()}`,
      };
      const conf = `s3://${bucket}/level-LEVEL-${accounts}/{DATE}?${query}`;
      const load = { events: EVENTS, accounts };
      rows.push(...(await runs('Kafka -> S3', { load, place, conf })));
    }
    return rows;
  } finally {
    await Promise.all([broker.kafka.stop(), s3.stop()]);
  }
}

try {
  const parts = { stages, embedded, backlog, kafka };
  const rows: Row[] = [];
  for (const [name, part] of Object.entries(parts)) {
    if (values.only === '' || values.only === name) rows.push(...(await part()));
  }
  const { length: cores, 0: core } = cpus();
  process.stdout.write(
    `\n${core?.model ?? 'unknown CPU'}, ${cores} cores, Node ${process.versions.node}\n\n`,
  );
  print(rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
