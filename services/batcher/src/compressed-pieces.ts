import { free } from './slice-pool.ts';

/**
 * Compressed slices are joined to blocks of at least this size: as large blocks they go back to the
 * system when they are freed, and many small ones, held for long, leave holes in the heap.
 */
const BLOCK_BYTES = 256 * 1024;
/** zlib's output buffer for one slice; most slices need less. */
export const OUTPUT_BYTES = 128 * 1024;

const NOTHING = new Uint8Array(0);

/** The compressed slices of one payload, which come in any order. */
export class CompressedPieces {
  /** In order; empty where a slice was joined to the block of an earlier one. */
  readonly #pieces: (Uint8Array | undefined)[] = [];
  /** The slices before this one are in blocks. */
  #joined = 0;

  /** The place of the next slice. */
  reserve(): number {
    return this.#pieces.push(undefined) - 1;
  }

  /** Keeps what zlib gave for the slice at `place`; its memory must not be used any more. */
  set(place: number, output: Buffer): void {
    this.#pieces[place] = trimmed(output);
    this.#join();
  }

  /** All of them; only when every place is set. Nothing is freed any more. */
  list(): readonly Uint8Array[] {
    return this.#pieces.filter((piece) => piece !== undefined && piece.length > 0) as Uint8Array[];
  }

  clear(): void {
    this.#pieces.length = 0;
  }

  /** Makes a block when enough slices are there without a hole between them. */
  #join(): void {
    const run: Uint8Array[] = [];
    let bytes = 0;
    for (let place = this.#joined; bytes < BLOCK_BYTES; place++) {
      const piece = this.#pieces[place];
      if (piece === undefined) return;
      run.push(piece);
      bytes += piece.length;
    }
    if (run.length > 1) {
      const block = Buffer.allocUnsafeSlow(bytes);
      let at = 0;
      for (const piece of run) {
        block.set(piece, at);
        at += piece.length;
        free(piece);
      }
      this.#pieces[this.#joined] = block;
      this.#pieces.fill(NOTHING, this.#joined + 1, this.#joined + run.length);
    }
    this.#joined += run.length;
  }
}

/** Memory of its own for the bytes: a held piece must not keep a whole output buffer alive. */
function trimmed(output: Buffer): Uint8Array {
  const exact = Buffer.allocUnsafeSlow(output.length);
  exact.set(output);
  // Anything else may be part of Node's pool, which others use.
  if (output.buffer.byteLength === OUTPUT_BYTES) free(output);
  return exact;
}
