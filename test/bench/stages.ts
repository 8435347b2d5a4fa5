/** Child process: each stage of the hot path alone, on one core. Tells the rows on its last line. */
import { constants, deflateRaw } from 'node:zlib';
import { promisify } from 'node:util';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectToPut } from '@trailpush/core';
import { datasets, WriterSchemas } from '@trailpush/datasets';
import { openDestination, parseDestination } from '@trailpush/destinations';
import { systemClock as clock } from '@trailpush/runtime';
import { eventSource } from './events.ts';
import { logger } from './world.ts';

export interface StageRow {
  readonly stage: string;
  readonly eventsPerSecond: number;
  /** Of NDJSON. */
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
}

const EVENTS = 50_000;
const ROUNDS = 7;
const FILTER_TIMES = 20;
const SLICE_BYTES = 512 * 1024;
const FILTER =
  '{"where":{"and":[{"key":"ActionType","operator":"!eq","value":"view"},{"key":"ActorEmail","operator":"contains","value":"@"}]}}';

const source = eventSource({ events: EVENTS, accounts: 1 });
const records = Array.from({ length: EVENTS }, (_, index) => source.encoded(index).value);
const key = Buffer.from(source.accounts[0] ?? '');
const dataset = datasets(new WriterSchemas({})).get('audit_logs_v2');
if (!dataset) throw new Error('no dataset audit_logs_v2');
const reader = dataset.openReader();
const filter = reader.compileFilter(FILTER) ?? (() => true);
const writeLine = reader.compileLine(
  dataset.parseOutputOptions({ outputOptions: null, logpullOptions: null }).line,
);
const scratch = Buffer.alloc(1024 * 1024);

const lines: Buffer[] = records.map((record) => {
  reader.load(record, key);
  return Buffer.from(scratch.subarray(0, writeLine(scratch, 0)));
});
const payload = Buffer.concat(lines);

interface Part {
  /** CPU seconds of what the work does besides its stage. */
  readonly withoutSeconds: number;
  /** How often the work runs its stage for each event, for stages too short to measure once. */
  readonly times: number;
}

/** The fastest of several rounds, in CPU time: other work on the machine only ever adds to it. */
async function measure(
  stage: string,
  work: () => void | Promise<void>,
  { withoutSeconds, times }: Part = { withoutSeconds: 0, times: 1 },
): Promise<StageRow & { seconds: number }> {
  let seconds = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    seconds = Math.min(seconds, (user + system) / 1e6);
  }
  const own = (seconds - withoutSeconds) / times;
  return {
    stage,
    eventsPerSecond: EVENTS / own,
    megabytesPerSecond: payload.length / 1e6 / own,
    cpuSecondsPerGigabyte: own / (payload.length / 1e9),
    seconds,
  };
}

const load = () => {
  for (const record of records) reader.load(record, key);
};
const deflate = promisify(deflateRaw);

async function deflateSlices(level: number): Promise<void> {
  for (let from = 0; from < payload.length; from += SLICE_BYTES) {
    const options = {
      level,
      memLevel: 9,
      finishFlush: constants.Z_SYNC_FLUSH,
      chunkSize: 128 * 1024,
    };
    await deflate(payload.subarray(from, from + SLICE_BYTES), options);
  }
}

async function put(): Promise<StageRow> {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-stage-'));
  const parsed = parseDestination('file://put', { allowPrivate: [], fileRoot: folder });
  const destination = openDestination(parsed, { clock, logger });
  const body = payload.subarray(0, payload.length / 5);
  const metadata = {
    jobId: 1,
    topic: 't',
    partition: 0,
    firstOffset: 0,
    lastOffset: EVENTS,
    records: EVENTS,
  };
  let number = 0;
  const row = await measure('put (file, synced)', async () => {
    const object: ObjectToPut = {
      key: `put/${number++}.log.gz`,
      idempotencyKey: String(number),
      body: [body],
      bodyBytes: body.length,
      contentType: 'application/x-ndjson',
      metadata,
    };
    const { verdict } = await destination.put(object, new AbortController().signal);
    if (verdict.kind !== 'delivered') throw new Error(`put: ${verdict.kind}`);
  });
  await destination.close();
  rmSync(folder, { recursive: true });
  return row;
}

const decode = await measure('decode and check', load);
const rows: StageRow[] = [
  decode,
  await measure(
    'filter (two leaves)',
    () => {
      for (const record of records) {
        reader.load(record, key);
        for (let time = 0; time < FILTER_TIMES; time++) filter();
      }
    },
    { withoutSeconds: decode.seconds, times: FILTER_TIMES },
  ),
  await measure(
    'line (23 fields)',
    () => {
      for (const record of records) {
        reader.load(record, key);
        writeLine(scratch, 0);
      }
    },
    { withoutSeconds: decode.seconds, times: 1 },
  ),
  await measure('deflate level 6', () => deflateSlices(6)),
  await measure('deflate level 1', () => deflateSlices(1)),
  await put(),
];
process.stdout.write(`${JSON.stringify({ rows, lineBytes: payload.length / EVENTS })}\n`);
