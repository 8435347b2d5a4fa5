import type { IndexPosition, LogRecord } from '@trailpush/core';

import type { Decoded } from './decode.ts';

/** Of one transaction: what that costs by itself is a small part of its time then. */
const MAX_BATCH_RECORDS = 4000;
/** The same in encoded bytes, unless one record has more. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** Records that were read and decoded together. */
export interface Chunk extends Decoded {
  readonly records: number;
  /** Where the partition is read on behind it. */
  readonly to: IndexPosition;
  /** Makes room for another chunk, once it is stored or given up. */
  readonly release: () => void;
}

/** What one transaction stores: at least one chunk. */
export type Batch = readonly [Chunk, ...Chunk[]];

/**
 * Between reading and storing a partition: while a batch is stored the next one gathers here, and no more than that.
 * One `add` and one `take` at a time.
 */
export class BatchAhead {
  #chunks: Chunk[] = [];
  #isEnded = false;
  #changed = Promise.withResolvers<undefined>();

  /** Waits while the batch has no room for the chunk. One that comes after the end is released. */
  async add(chunk: Chunk): Promise<void> {
    while (!this.#isEnded && !this.#hasRoomFor(chunk)) await this.#changed.promise;
    if (this.#isEnded) {
      chunk.release();
      return;
    }
    this.#chunks.push(chunk);
    this.#notify();
  }

  /** Nothing more is added. */
  end(): void {
    this.#isEnded = true;
    this.#notify();
  }

  /** All that has gathered, as soon as there is something; undefined at the end. */
  async take(): Promise<Batch | undefined> {
    while (this.#chunks.length === 0 && !this.#isEnded) await this.#changed.promise;
    const [first, ...rest] = this.#chunks;
    this.#chunks = [];
    this.#notify();
    return first && [first, ...rest];
  }

  /** The end, without what nobody has taken yet. */
  close(): void {
    for (const { release } of this.#chunks) release();
    this.#chunks = [];
    this.end();
  }

  #hasRoomFor(chunk: Chunk): boolean {
    if (this.#chunks.length === 0) return true;
    const all = [...this.#chunks, chunk];
    const [records, bytes] = [
      all.reduce((sum, of) => sum + of.records, 0),
      all.reduce((sum, of) => sum + of.bytes, 0),
    ];
    return records <= MAX_BATCH_RECORDS && bytes <= MAX_BATCH_BYTES;
  }

  #notify(): void {
    this.#changed.resolve(undefined);
    this.#changed = Promise.withResolvers<undefined>();
  }
}

/** Of one chunk; so are its bytes, unless one record has more. */
const MAX_CHUNK_RECORDS = 1000;
const MAX_CHUNK_BYTES = 1024 * 1024;

/** Records of one read in parts that are decoded at once. */
export function* chunksOf(
  records: readonly LogRecord[],
): Generator<readonly LogRecord[], void, void> {
  let start = 0;
  let bytes = 0;
  for (const [at, { value }] of records.entries()) {
    bytes += value?.length ?? 0;
    if (at === start || (at - start < MAX_CHUNK_RECORDS && bytes <= MAX_CHUNK_BYTES)) continue;
    yield records.slice(start, at);
    start = at;
    bytes = value?.length ?? 0;
  }
  if (start < records.length) yield records.slice(start);
}
