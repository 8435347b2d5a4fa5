/**
 * Copying between two views with wide loads and stores, which is what JavaScript has instead of memcpy
 * for short pieces: `Uint8Array.set` copies faster, but its views cost 100 ns before the first byte.
 */

/** A constant in ASCII, ready to be stored eight bytes at a time. */
export interface Literal {
  readonly words: Float64Array;
  readonly length: number;
}

const WORD_BYTES = 8;
/** A literal is stored in whole words, so up to so many bytes after it are overwritten, too. */
export const LITERAL_OVERRUN_BYTES = WORD_BYTES - 1;

/** ASCII never looks like a NaN, whose bits need not survive a copy. */
export function literal(text: string): Literal {
  const bytes = new DataView(new ArrayBuffer(Math.ceil(text.length / WORD_BYTES) * WORD_BYTES));
  writeAscii(text, bytes, 0);
  const words = new Float64Array(bytes.byteLength / WORD_BYTES);
  return {
    words: words.map((_, index) => bytes.getFloat64(index * WORD_BYTES, true)),
    length: text.length,
  };
}

/** Returns the new end; whatever lies up to `LITERAL_OVERRUN_BYTES` behind it is lost. */
export function writeLiteral({ words, length }: Literal, out: DataView, at: number): number {
  for (let index = 0; index < words.length; index++) {
    out.setFloat64(at + index * WORD_BYTES, words[index] ?? 0, true);
  }
  return at + length;
}

/** Measured: from here on `set` is faster. */
const MIN_SET_BYTES = 400;

/** Copies UTF-8 (which never looks like a NaN either). Returns the new end. */
export function copyUtf8(
  view: DataView,
  start: number,
  end: number,
  out: DataView,
  at: number,
): number {
  const length = end - start;
  if (length >= MIN_SET_BYTES) {
    const source = new Uint8Array(view.buffer, view.byteOffset + start, length);
    new Uint8Array(out.buffer, out.byteOffset + at, length).set(source);
    return at + length;
  }
  const words = length - (length % WORD_BYTES);
  for (let offset = 0; offset < words; offset += WORD_BYTES) {
    out.setFloat64(at + offset, view.getFloat64(start + offset, true), true);
  }
  if (length > WORD_BYTES) {
    // The last word again, which is cheaper than a loop over the bytes behind the last whole one.
    const offset = length - WORD_BYTES;
    out.setFloat64(at + offset, view.getFloat64(start + offset, true), true);
  } else if (words === 0) {
    for (let offset = 0; offset < length; offset++) {
      out.setUint8(at + offset, view.getUint8(start + offset));
    }
  }
  return at + length;
}

/** Short texts in ASCII that are made at run time. Returns the new end. */
export function writeAscii(text: string, out: DataView, at: number): number {
  for (let index = 0; index < text.length; index++) out.setUint8(at++, text.charCodeAt(index));
  return at;
}
