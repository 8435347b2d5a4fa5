import { createHash } from 'node:crypto';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';
import { CompressedPieces, OUTPUT_BYTES } from './compressed-pieces.ts';
import { DOLLAR, LETTER_X, OPENING_BRACE, type Frame } from './frame.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { giveSlice, SLICE_BYTES, takeSlice } from './slice-pool.ts';

/**
 * Version of everything that turns a range of offsets into payload bytes. It is stored with each plan:
 * a payload that differs under one version is a fault, under another it is an upgrade.
 */
export const ENCODER_VERSION = 2;

/** Most open batches of a quiet system hold a few lines only, so buffers start small and double. */
const FIRST_BUFFER_BYTES = 16 * 1024;

const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

/** A finished payload: one gzip member in pieces. */
export interface Payload {
  readonly pieces: readonly Uint8Array[];
  /** Bytes of all pieces: what goes over the wire. */
  readonly wireBytes: number;
}

/** What a payload is made with. */
export interface PayloadOptions {
  readonly budget: MemoryBudget;
  readonly gzipLevel: number;
  readonly frame: Frame;
}

/**
 * Collects the lines of one batch, with the frame around and between them, and holds them compressed.
 * Full slices are compressed on the thread pool while the next one fills; CRC-32 and SHA-256 are carried
 * along.
 */
export class PayloadBuilder {
  readonly #budget: MemoryBudget;
  readonly #options: ZlibOptions;
  readonly #frame: Frame;
  readonly #hash = createHash('sha256');
  #crc = 0;
  #slice: Buffer | undefined;
  #filled = 0;
  #bytes = 0;
  #hasLines = false;
  /** The last byte so far is a dollar, kept back until it is known whether a brace follows. */
  #endsInDollar = false;
  #heldBytes = 0;
  readonly #compressing: Promise<void>[] = [];
  readonly #pieces = new CompressedPieces();
  #sealed = false;
  #released = false;

  constructor({ budget, gzipLevel, frame }: PayloadOptions) {
    this.#budget = budget;
    this.#frame = frame;
    this.#options = { level: gzipLevel, memLevel: 9, chunkSize: OUTPUT_BYTES };
  }

  get contentType(): string {
    return this.#frame.contentType;
  }

  /** Uncompressed bytes so far. */
  get bytes(): number {
    return this.#bytes + (this.#endsInDollar ? 1 : 0);
  }

  /** Uncompressed bytes of the whole payload if one more line of `length` bytes were its last. */
  bytesWith(length: number): number {
    return this.bytes + this.#beforeLine.length + length + this.#frame.suffix.length;
  }

  /** What this payload takes of the memory budget now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Adds one line, behind what the frame has before it. */
  append(line: Buffer, length: number): void {
    this.#add(this.#beforeLine, this.#beforeLine.length);
    this.#hasLines = true;
    this.#add(line, length);
  }

  get #beforeLine(): Buffer {
    return this.#hasLines ? this.#frame.delimiter : this.#frame.prefix;
  }

  /** Each piece is without lookups, but `${` may come about where two of them meet. */
  #add(source: Buffer, length: number): void {
    if (length === 0) return;
    if (!this.#frame.defusesLookups) {
      this.#write(source, length);
      return;
    }
    if (this.#endsInDollar) this.#write(source[0] === OPENING_BRACE ? LETTER_X : DOLLAR, 1);
    this.#endsInDollar = source[length - 1] === DOLLAR[0];
    this.#write(source, this.#endsInDollar ? length - 1 : length);
  }

  #write(source: Buffer, length: number): void {
    this.#bytes += length;
    let from = 0;
    while (from < length) {
      const slice = this.#room(length - from);
      const take = Math.min(length - from, SLICE_BYTES - this.#filled);
      source.copy(slice, this.#filled, from, from + take);
      this.#filled += take;
      from += take;
      if (this.#filled === SLICE_BYTES) this.#compress(constants.Z_SYNC_FLUSH);
    }
  }

  /** Ends the payload: nothing can be appended after it. SHA-256 over all of it, hex. */
  seal(): string {
    if (this.#hasLines) this.#add(this.#frame.suffix, this.#frame.suffix.length);
    if (this.#endsInDollar) this.#write(DOLLAR, 1);
    this.#endsInDollar = false;
    this.#compress(constants.Z_FINISH);
    this.#sealed = true;
    this.#budget.leaving(this.#heldBytes);
    return this.#hash.digest('hex');
  }

  /** The gzip member; only after `seal`. Undefined when the payload was released meanwhile. */
  async finish(): Promise<Payload | undefined> {
    await Promise.all(this.#compressing);
    if (this.#released) return undefined;
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#crc, 0);
    trailer.writeUInt32LE(this.#bytes % 2 ** 32, 4);
    const pieces = [GZIP_HEADER, ...this.#pieces.list(), trailer];
    return { pieces, wireBytes: pieces.reduce((sum, piece) => sum + piece.length, 0) };
  }

  /** Gives the memory back. Safe at any time and twice, also while slices are being compressed. */
  release(): void {
    this.#released = true;
    if (this.#slice) giveSlice(this.#slice);
    this.#slice = undefined;
    this.#pieces.clear();
    this.#hold(-this.#heldBytes);
  }

  #hold(delta: number): void {
    this.#heldBytes += delta;
    if (this.#sealed) this.#budget.leaving(delta);
    this.#budget.hold(delta);
  }

  /** The open slice with room for `wanted` more bytes, or as many as a slice may have. */
  #room(wanted: number): Buffer {
    const needed = Math.min(this.#filled + wanted, SLICE_BYTES);
    const old = this.#slice;
    if (old && old.length >= needed) return old;
    let size = old?.length ?? FIRST_BUFFER_BYTES;
    while (size < needed) size *= 2;
    const grown = size < SLICE_BYTES ? Buffer.allocUnsafeSlow(size) : takeSlice();
    this.#hold(grown.length - (old?.length ?? 0));
    if (old) {
      old.copy(grown, 0, 0, this.#filled);
      giveSlice(old);
    }
    this.#slice = grown;
    return grown;
  }

  /** Hands the open slice to the thread pool; until it is compressed, both count. */
  #compress(finishFlush: number): void {
    const buffer = this.#slice ?? Buffer.alloc(0);
    const raw = buffer.subarray(0, this.#filled);
    this.#slice = undefined;
    this.#filled = 0;
    this.#crc = crc32(raw, this.#crc);
    this.#hash.update(raw);
    this.#budget.compressing(raw.length);
    const place = this.#pieces.reserve();
    const compressing = new Promise<void>((resolve, reject) => {
      const done = (error: Error | null, compressed: Buffer): void => {
        this.#budget.compressing(-raw.length);
        const takenBytes = buffer.length;
        giveSlice(buffer);
        if (this.#released) resolve();
        else if (error) reject(error);
        else {
          this.#hold(compressed.length - takenBytes);
          this.#pieces.set(place, compressed);
          resolve();
        }
      };
      try {
        deflateRaw(raw, { ...this.#options, finishFlush }, done);
      } catch (error) {
        // zlib found no memory for its window: it throws before it begins.
        done(error as Error, raw);
      }
    });
    // Whoever asks for the payload hears of it; nobody may ask before it is due.
    compressing.catch(() => undefined);
    this.#compressing.push(compressing);
  }
}
