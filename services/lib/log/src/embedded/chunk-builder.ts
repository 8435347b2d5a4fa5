import type { AppendRecord } from '@trailpush/core';
import { encodeFrames, frameBytes } from './framing.ts';
import type { Frame } from './framing.ts';
import { partitionOfKey } from './partitioner.ts';
import type { NewChunk } from './protocol.ts';

/** A chunk is the least that a read moves, and the least that retention removes. */
const CHUNK_BYTES = 512 * 1024;

/** Sorts the records of one transaction into chunks of their partitions, keeping their order. */
export class ChunkBuilder {
  readonly #open: { frames: Frame[]; bytes: number }[];
  readonly #chunks: NewChunk[] = [];

  constructor(partitions: number) {
    this.#open = Array.from({ length: partitions }, () => ({ frames: [], bytes: 0 }));
  }

  /** Returns the bytes that the record takes. Its value is copied by `finish`, or before. */
  add({ key, value }: AppendRecord): number {
    const frame: Frame = { key: Buffer.from(key), value };
    const bytes = frameBytes(frame);
    const partition = partitionOfKey(frame.key, this.#open.length);
    const open = this.#open[partition];
    if (open === undefined) throw new RangeError(`there is no partition ${partition}`);
    if (open.bytes + bytes > CHUNK_BYTES) this.#cut(partition);
    open.frames.push(frame);
    open.bytes += bytes;
    return bytes;
  }

  finish(): NewChunk[] {
    for (const partition of this.#open.keys()) this.#cut(partition);
    return this.#chunks;
  }

  #cut(partition: number): void {
    const open = this.#open[partition];
    if (open === undefined || open.frames.length === 0) return;
    this.#chunks.push({ partition, records: open.frames.length, data: encodeFrames(open.frames) });
    open.frames = [];
    open.bytes = 0;
  }
}
