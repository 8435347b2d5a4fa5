import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import { ConfigError, messageOf } from '@trailpush/core';
import { EventProducer, LineEncoder, readLines, type LineError } from '@trailpush/datasets';
import {
  createLogger,
  Lifecycle,
  loadConfig,
  Readiness,
  secretsInDataFolder,
  systemClock,
} from '@trailpush/runtime';
import { ADDRESS_FILE } from './services.ts';
import { openEvents, openLog, takeDataFolder, type Base } from './world.ts';

/** What is printed of bad lines; a wrong file can have millions. */
const MAX_SHOWN_ERRORS = 100;
/** One request to a running program. */
const REQUEST_BYTES = 4 * 1024 * 1024;

/** Shows how far it is, on a terminal, and names bad lines on standard error. */
class Report {
  /** Events that are durable by now. */
  accepted: () => number = () => 0;
  rejected = 0;
  readonly #file: string;
  readonly #bar: SingleBar | undefined;

  constructor(file: string, totalBytes: number) {
    this.#file = file;
    if (!process.stderr.isTTY || totalBytes === 0) return;
    const format = '{bar} {percentage}% | {accepted} events | {eta_formatted} left';
    this.#bar = new SingleBar(
      { format, stream: process.stderr, hideCursor: true },
      Presets.shades_classic,
    );
    this.#bar.start(totalBytes, 0, { accepted: 0 });
  }

  read(bytes: number): void {
    this.#bar?.increment(bytes, { accepted: this.accepted() });
  }

  bad({ line, reason }: LineError): void {
    this.rejected++;
    if (this.rejected > MAX_SHOWN_ERRORS) return;
    process.stderr.write(`${this.#file}:${line}: not sent: ${reason}\n`);
  }

  /** Resolves to the exit code: 0 when every line was sent. */
  end(): number {
    this.#bar?.stop();
    const { rejected } = this;
    if (rejected > MAX_SHOWN_ERRORS) {
      process.stderr.write(`... and ${rejected - MAX_SHOWN_ERRORS} more bad lines\n`);
    }
    process.stdout.write(`${this.accepted()} events sent, ${rejected} bad lines not sent\n`);
    return rejected > 0 ? 1 : 0;
  }
}

/**
 * Sends the events of an NDJSON file to the log. When another trailpush has the data folder, they go
 * through its ingest endpoint. Exit code 1 when a line was not sent.
 */
export async function produceFile(file: string, options: { data?: string }): Promise<void> {
  const config = loadConfig(
    undefined,
    options.data === undefined ? {} : { '--data': options.data },
  );
  const isStdin = file === '-';
  if (!isStdin && !existsSync(file)) throw new ConfigError(`there is no file ${file}`);
  const report = new Report(isStdin ? '<stdin>' : file, isStdin ? 0 : statSync(file).size);
  const source: AsyncIterable<Buffer> = isStdin
    ? process.stdin
    : createReadStream(file, { highWaterMark: 1 << 20 });
  const logger = createLogger({ level: 'warn', stream: process.stderr });
  const lifecycle = new Lifecycle({ clock: systemClock, logger });
  const base: Base = { config, clock: systemClock, logger, lifecycle, readiness: new Readiness() };
  try {
    const running = await findRunning(base);
    if (running) await sendOver(running, source, report);
    else await append(base, source, report);
  } finally {
    await lifecycle.shutdown();
  }
  process.exitCode = report.end();
}

interface RunningProgram {
  readonly url: string;
  readonly authorization: string;
}

/** The program that has the data folder now, if one has. @throws ConfigError when it cannot be reached. */
async function findRunning(base: Base): Promise<RunningProgram | undefined> {
  const { config } = base;
  if (config.kafka) return undefined;
  try {
    takeDataFolder(base);
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const addressFile = join(config.dataFolder, ADDRESS_FILE);
    const url = existsSync(addressFile) ? readFileSync(addressFile, 'utf8').trim() : undefined;
    const answer =
      url === undefined ? undefined : await fetch(`${url}/healthz`).catch(() => undefined);
    if (url === undefined || !answer?.ok) throw error;
    const { adminToken } = await secretsInDataFolder(config.dataFolder, config);
    return { url, authorization: `Bearer ${adminToken.reveal()}` };
  }
}

async function append(base: Base, source: AsyncIterable<Buffer>, report: Report): Promise<void> {
  const { config, clock } = base;
  const log = await openLog(base);
  const { encode } = await openEvents(base);
  const encoder = new LineEncoder({ encode, maxRecordBytes: config.maxRecordBytes, clock });
  const producer = new EventProducer({ log, encoder, maxLineBytes: config.maxRecordBytes });
  const lines = readLines(counted(source, report), config.maxRecordBytes);
  report.accepted = () => producer.accepted;
  for await (const error of producer.produce(lines)) report.bad(error);
}

/** Tells the report what was read, as it is read. */
async function* counted(
  source: AsyncIterable<Buffer>,
  report: Report,
): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of source) {
    yield chunk;
    report.read(chunk.length);
  }
}

interface IngestAnswer {
  readonly result: {
    accepted: number;
    rejected: number;
    errors: LineError[];
    errors_omitted: number;
  } | null;
  readonly errors: readonly { message: string }[];
}

/** Whole lines, a few megabytes a request; line numbers in answers count from the request's first line. */
async function sendOver(
  running: RunningProgram,
  source: AsyncIterable<Buffer>,
  report: Report,
): Promise<void> {
  let carry = Buffer.alloc(0);
  let firstLine = 1;
  let accepted = 0;
  report.accepted = () => accepted;
  const send = async (body: Buffer): Promise<void> => {
    if (body.length === 0) return;
    accepted += await post(running, body, firstLine, report);
    for (const byte of body) if (byte === 0x0a) firstLine++;
    report.read(body.length);
  };
  for await (const chunk of source) {
    carry = Buffer.concat([carry, chunk]);
    const end = carry.lastIndexOf(0x0a) + 1;
    if (carry.length < REQUEST_BYTES || end === 0) continue;
    await send(carry.subarray(0, end));
    carry = carry.subarray(end);
  }
  await send(carry);
}

async function post(
  running: RunningProgram,
  body: Buffer,
  firstLine: number,
  report: Report,
): Promise<number> {
  const { url, authorization } = running;
  const headers = { authorization, 'content-type': 'application/x-ndjson' };
  const answer = await fetch(`${url}/ingest/v1/events`, {
    method: 'POST',
    headers,
    body: new Uint8Array(body),
  });
  const { result, errors } = (await answer.json()) as IngestAnswer;
  if (!result) throw new Error(`${url} refused the events: ${errors.map(messageOf).join('; ')}`);
  for (const error of result.errors) report.bad({ ...error, line: error.line + firstLine - 1 });
  report.rejected += result.errors_omitted;
  return result.accepted;
}
