import { createReadStream, existsSync, statSync } from 'node:fs';
import { Presets, SingleBar } from 'cli-progress';
import { ConfigError } from '@trailpush/core';
import { EventProducer, LineEncoder, readLines, type LineError } from '@trailpush/datasets';
import { createLogger, Lifecycle, loadConfig, Readiness, systemClock } from '@trailpush/runtime';
import { EventSender, findRunning } from './running-program.ts';
import { openEvents, openLog, type Base } from './world.ts';

/** What is printed of bad lines; a wrong file can have millions. */
const MAX_SHOWN_ERRORS = 100;

type Producer = Pick<EventProducer, 'accepted' | 'rejected' | 'produce'>;

/** Shows how far the producer is, on a terminal, and names bad lines on standard error. */
class Report {
  readonly #file: string;
  readonly #producer: Producer;
  readonly #bar: SingleBar | undefined;
  #shown = 0;

  constructor(file: string, totalBytes: number, producer: Producer) {
    this.#file = file;
    this.#producer = producer;
    if (!process.stderr.isTTY || totalBytes === 0) return;
    const format = '{bar} {percentage}% | {accepted} events | {eta_formatted} left';
    this.#bar = new SingleBar({ format, stream: process.stderr }, Presets.shades_classic);
    this.#bar.start(totalBytes, 0, { accepted: 0 });
  }

  read(bytes: number): void {
    this.#bar?.increment(bytes, { accepted: this.#producer.accepted });
  }

  bad({ line, reason }: LineError): void {
    if (this.#shown === MAX_SHOWN_ERRORS) return;
    this.#shown++;
    process.stderr.write(`${this.#file}:${line}: not sent: ${reason}\n`);
  }

  end(): void {
    this.#bar?.stop();
    const { accepted, rejected } = this.#producer;
    const more = rejected - this.#shown;
    if (more > 0) process.stderr.write(`... and ${more} more bad lines\n`);
    process.stdout.write(`${accepted} events sent, ${rejected} bad lines not sent\n`);
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
  if (!isStdin && statSync(file).isDirectory()) throw new ConfigError(`${file} is a folder`);
  const logger = createLogger({ level: 'warn', stream: process.stderr });
  const lifecycle = new Lifecycle({ clock: systemClock, logger });
  const base: Base = { config, clock: systemClock, logger, lifecycle, readiness: new Readiness() };
  try {
    const running = config.kafka ? undefined : await findRunning(base);
    const producer = running
      ? new EventSender(running, config.maxRecordBytes)
      : await openProducer(base);
    const source: AsyncIterable<Buffer> = isStdin
      ? process.stdin
      : createReadStream(file, { highWaterMark: 1 << 20 });
    const report = isStdin
      ? new Report('<stdin>', 0, producer)
      : new Report(file, statSync(file).size, producer);
    const lines = readLines(counted(source, report), config.maxRecordBytes);
    try {
      for await (const error of producer.produce(lines)) report.bad(error);
    } finally {
      // Also after a failure: what is durable by then is.
      report.end();
    }
    process.exitCode = producer.rejected > 0 ? 1 : 0;
  } finally {
    await lifecycle.shutdown();
  }
}

async function openProducer(base: Base): Promise<Producer> {
  const { clock, config } = base;
  const { maxRecordBytes } = config;
  const log = await openLog(base);
  const { encode } = await openEvents(base);
  const encoder = new LineEncoder({ encode, maxRecordBytes, clock });
  return new EventProducer({ log, encoder, maxLineBytes: maxRecordBytes });
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
