import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, LogUnavailableError, messageOf } from '@trailpush/core';
import type { InputLine, LineError } from '@trailpush/datasets';
import { secretsInDataFolder } from '@trailpush/runtime';
import { ADDRESS_FILE } from './services.ts';
import { takeDataFolder, type Base } from './world.ts';

/** One request; well below what the endpoint takes. */
const REQUEST_BYTES = 4 * 1024 * 1024;
const REQUEST_LINES = 10_000;
const NEWLINE = Buffer.from('\n');

export interface RunningProgram {
  readonly url: string;
  readonly authorization: string;
}

/** The program that has the data folder now; else the folder is ours from here on. @throws ConfigError when it cannot be reached. */
export async function findRunning(base: Base): Promise<RunningProgram | undefined> {
  const { config } = base;
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

interface IngestResult {
  readonly accepted: number;
  readonly rejected: number;
  /** The first of those rejected; `line` counts from the first line of the request. */
  readonly errors: readonly LineError[];
}

interface IngestAnswer {
  /** Null when nothing was acknowledged. */
  readonly result: IngestResult | null;
  readonly errors: readonly { readonly message: string }[];
}

/** Does what `EventProducer` does, through the ingest endpoint of a running program. */
export class EventSender {
  readonly #program: RunningProgram;
  readonly #maxLineBytes: number;
  #accepted = 0;
  #rejected = 0;

  constructor(program: RunningProgram, maxLineBytes: number) {
    this.#program = program;
    this.#maxLineBytes = maxLineBytes;
  }

  get accepted(): number {
    return this.#accepted;
  }

  get rejected(): number {
    return this.#rejected;
  }

  /**
   * Sends every good line and yields the first bad ones of each request.
   * @throws LogUnavailableError naming the first line that was not acknowledged.
   */
  async *produce(lines: AsyncIterable<InputLine>): AsyncGenerator<LineError, void, void> {
    let request = new Request();
    for await (const line of lines) {
      if ('tooLong' in line) {
        this.#rejected++;
        const reason = `the line has more than ${this.#maxLineBytes} bytes`;
        yield { line: line.number, reason };
        continue;
      }
      if (!request.hasRoomFor(line.bytes)) {
        yield* this.#send(request);
        request = new Request();
      }
      request.add(line.number, line.bytes);
    }
    yield* this.#send(request);
  }

  async *#send({ lines, numbers }: Request): AsyncGenerator<LineError, void, void> {
    const [first] = numbers;
    if (first === undefined) return;
    const body = Buffer.concat(lines.flatMap((line, at) => (at === 0 ? [line] : [NEWLINE, line])));
    const { accepted, rejected, errors } = await this.#post(body, first);
    this.#accepted += accepted;
    this.#rejected += rejected;
    for (const { line, reason } of errors) yield { line: numbers[line - 1] ?? first, reason };
  }

  async #post(body: Buffer<ArrayBuffer>, firstLine: number): Promise<IngestResult> {
    const { url, authorization } = this.#program;
    let problem: string;
    try {
      const headers = { authorization, 'content-type': 'application/x-ndjson' };
      const answer = await fetch(`${url}/ingest/v1/events`, { method: 'POST', headers, body });
      const { result, errors } = (await answer.json()) as IngestAnswer;
      if (result) return result;
      problem = errors.map(({ message }) => message).join('; ');
    } catch (error) {
      problem = messageOf(error);
    }
    throw new LogUnavailableError(
      `${url} did not acknowledge the lines from ${firstLine} on: ${problem}`,
    );
  }
}

/** Lines that are sent together, and the number of each in the file. */
class Request {
  readonly lines: Buffer[] = [];
  readonly numbers: number[] = [];
  #bytes = 0;

  /** Always true while it is empty: one line alone may be larger than a request should be. */
  hasRoomFor(line: Buffer): boolean {
    if (this.lines.length === 0) return true;
    return this.lines.length < REQUEST_LINES && this.#bytes + line.length <= REQUEST_BYTES;
  }

  add(number: number, line: Buffer): void {
    this.lines.push(line);
    this.numbers.push(number);
    this.#bytes += line.length + 1;
  }
}
