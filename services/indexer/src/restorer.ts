import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { messageOf, type AuditEntry, type AuditRetention } from '@trailpush/core';
import { parseExportedLine, readLines } from '@trailpush/datasets';

export interface RestorerOptions {
  readonly retention: Pick<AuditRetention, 'restore'>;
  readonly keepUntilMs: number;
  readonly nowMs: number;
  /** Events of others are left out. */
  readonly accountId?: string;
  /** Inclusive and exclusive. */
  readonly sinceMicros: number;
  readonly beforeMicros: number;
  /** Reads and checks, and stores nothing. */
  readonly isDryRun: boolean;
  /** Told of each line that cannot be restored; 0 is the object as a whole. */
  readonly onBad: (object: string, line: number, reason: string) => void;
}

/** Of one transaction. */
const BATCH_EVENTS = 250;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Far more than a line of the largest record that a log takes by default. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** As for events of the log: each month has a table. */
const MAX_AHEAD_MS = 31 * 86_400_000;
const GZIP = Buffer.from([0x1f, 0x8b]);

/**
 * Loads exported objects of `audit_logs_v2` back into the audit store. Repeating it, in part or as a whole,
 * stores nothing twice. Holds one line and one batch at a time.
 */
export class Restorer {
  /** Events that are stored; in a dry run, those that would be, were none of them known. */
  stored = 0;
  /** Events that the store has already. */
  known = 0;
  /** Events of other accounts or times. */
  leftOut = 0;
  bad = 0;
  /** Events whose time lacks what is below a second or millisecond. */
  cutTimes = 0;
  /** Fields of the dataset that some lines do not have. */
  readonly missing = new Set<string>();
  readonly #options: RestorerOptions;
  #batch: AuditEntry[] = [];
  #batchBytes = 0;

  constructor(options: RestorerOptions) {
    this.#options = options;
  }

  /**
   * One object, packed or not; when it ends, all its good lines are stored. A damaged one is told as bad.
   * @throws StoreUnavailableError, and what reading it throws
   */
  async restore(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const line of readLines(this.#unpacked(name, chunks), MAX_LINE_BYTES)) {
      if ('tooLong' in line) {
        this.#refuse(name, line.number, `the line has more than ${MAX_LINE_BYTES} bytes`);
        continue;
      }
      this.#take(name, line.number, line.bytes);
      if (this.#batch.length >= BATCH_EVENTS || this.#batchBytes >= BATCH_BYTES)
        await this.#store();
    }
    await this.#store();
  }

  #take(name: string, number: number, bytes: Buffer): void {
    const { accountId, sinceMicros, beforeMicros, nowMs } = this.#options;
    const read = parseExportedLine(bytes);
    if (!read.ok) {
      this.#refuse(name, number, read.reason);
      return;
    }
    const { entry, missing, isTimeCut } = read;
    if (entry.timeMicros > (nowMs + MAX_AHEAD_MS) * 1000) {
      this.#refuse(name, number, 'ActionTimestamp lies more than 31 days in the future');
      return;
    }
    const isWanted = accountId === undefined || entry.tenant.id === accountId;
    if (!isWanted || entry.timeMicros < sinceMicros || entry.timeMicros >= beforeMicros) {
      this.leftOut += 1;
      return;
    }
    if (isTimeCut) this.cutTimes += 1;
    for (const field of missing) this.missing.add(field);
    this.#batch.push(entry);
    this.#batchBytes += bytes.length;
  }

  async #store(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    const { retention, keepUntilMs, isDryRun } = this.#options;
    const { stored } = isDryRun
      ? { stored: batch.length }
      : await retention.restore(batch, keepUntilMs);
    this.stored += stored;
    this.known += batch.length - stored;
    this.#batch = [];
    this.#batchBytes = 0;
  }

  #refuse(name: string, line: number, reason: string): void {
    this.bad += 1;
    this.#options.onBad(name, line, reason);
  }

  async *#unpacked(
    name: string,
    chunks: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, void> {
    const source = new Source(chunks);
    const start = await source.peek(GZIP.length);
    if (!start.subarray(0, GZIP.length).equals(GZIP)) {
      yield* source.rest();
      return;
    }
    const gunzip = createGunzip();
    const packed = Readable.from(source.rest(), { objectMode: false });
    // What goes wrong is thrown by the loop.
    pipeline(packed, gunzip).catch(() => undefined);
    try {
      yield* gunzip as AsyncIterable<Buffer>;
    } catch (error) {
      if (source.failure !== undefined) throw source.failure;
      this.#refuse(name, 0, `the object is no whole gzip file (${messageOf(error)})`);
    }
  }
}

/** Chunks whose first bytes can be looked at, and which remember that they could not be read. */
class Source {
  failure: Error | undefined;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #start: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async peek(bytes: number): Promise<Buffer> {
    while (this.#start.length < bytes) {
      const chunk = await this.#chunks.next();
      if (chunk.done === true) break;
      this.#start = Buffer.concat([this.#start, chunk.value]);
    }
    return this.#start;
  }

  async *rest(): AsyncGenerator<Uint8Array, void, void> {
    if (this.#start.length > 0) yield this.#start;
    try {
      for (;;) {
        const chunk = await this.#chunks.next();
        if (chunk.done === true) return;
        yield chunk.value;
      }
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
}
