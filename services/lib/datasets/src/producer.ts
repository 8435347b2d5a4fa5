import { RecordTooLargeError, type AppendRecord, type RecordLog } from '@trailpush/core';
import type { LineEncoder } from './line-encoder.ts';
import type { InputLine } from './ndjson-lines.ts';

/** A line that did not become a record. */
export interface LineError {
  /** Starts at 1. */
  readonly line: number;
  readonly reason: string;
}

export interface EventProducerOptions {
  readonly log: Pick<RecordLog, 'append'>;
  readonly encoder: Pick<LineEncoder, 'encodeLine'>;
  /** Of one line, for naming it; reading stopped there. */
  readonly maxLineBytes: number;
}

/** One append; small enough to be confirmed soon, large enough that its cost does not matter. */
const CHUNK_RECORDS = 1000;
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Sends lines to the log, whatever their number, and holds one chunk of them at a time. */
export class EventProducer {
  readonly #log: Pick<RecordLog, 'append'>;
  readonly #encoder: Pick<LineEncoder, 'encodeLine'>;
  readonly #maxLineBytes: number;
  #accepted = 0;
  #rejected = 0;

  constructor({ log, encoder, maxLineBytes }: EventProducerOptions) {
    this.#log = log;
    this.#encoder = encoder;
    this.#maxLineBytes = maxLineBytes;
  }

  /** Lines whose records the log has durably. */
  get accepted(): number {
    return this.#accepted;
  }

  get rejected(): number {
    return this.#rejected;
  }

  /**
   * Sends every good line and yields every bad one, in about the order of the lines. All good ones are
   * durable when it ends.
   * @throws LogUnavailableError: the lines up to then may be sent again, in part a second time.
   */
  async *produce(lines: AsyncIterable<InputLine>): AsyncGenerator<LineError, void, void> {
    let chunk = new Chunk();
    for await (const line of lines) {
      const error = this.#take(line, chunk);
      if (error) yield error;
      if (chunk.records.length < CHUNK_RECORDS && chunk.bytes < CHUNK_BYTES) continue;
      yield* this.#append(chunk);
      chunk = new Chunk();
    }
    yield* this.#append(chunk);
  }

  #take(line: InputLine, chunk: Chunk): LineError | undefined {
    if ('tooLong' in line) {
      return this.#reject(line.number, `the line has more than ${this.#maxLineBytes} bytes`);
    }
    const encoded = this.#encoder.encodeLine(line.bytes);
    if (!encoded.ok) return this.#reject(line.number, encoded.reason);
    chunk.records.push(encoded.record);
    chunk.lines.push(line.number);
    chunk.bytes += encoded.record.value.length;
    return undefined;
  }

  /** A record that is too large for the log becomes a bad line; the others are appended without it. */
  async *#append({ records, lines }: Chunk): AsyncGenerator<LineError, void, void> {
    while (records.length > 0) {
      try {
        await this.#log.append(records);
        this.#accepted += records.length;
        return;
      } catch (error) {
        if (!(error instanceof RecordTooLargeError)) throw error;
        records.splice(error.index, 1);
        const [line] = lines.splice(error.index, 1);
        if (line === undefined) throw error;
        yield this.#reject(line, error.message);
      }
    }
  }

  #reject(line: number, reason: string): LineError {
    this.#rejected++;
    return { line, reason };
  }
}

/** Records that are appended together, and the line that each came from. */
class Chunk {
  readonly records: AppendRecord[] = [];
  readonly lines: number[] = [];
  bytes = 0;
}
