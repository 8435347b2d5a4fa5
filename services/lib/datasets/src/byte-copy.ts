/**
 * Copying between two views with wide loads and stores, which is what JavaScript has instead of memcpy
 * for short pieces: a call of `copy` or `set` costs as much as copying 300 bytes this way.
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
  const words = new Float64Array(Math.ceil(text.length / WORD_BYTES));
  const view = new DataView(words.buffer);
  for (let index = 0; index < text.length; index++) view.setUint8(index, text.charCodeAt(index));
  return { words, length: text.length };
}

/** Returns the new end; whatever lies up to `LITERAL_OVERRUN_BYTES` behind it is lost. */
export function writeLiteral({ words, length }: Literal, out: DataView, at: number): number {
  let to = at;
  for (const word of words) {
    out.setFloat64(to, word, IS_LITTLE_ENDIAN);
    to += WORD_BYTES;
  }
  return at + length;
}

/** The order in which `literal` laid the bytes down and the platform reads them back. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Copies UTF-8 (which never looks like a NaN either). Returns the new end. */
export function copyUtf8(
  view: DataView,
  start: number,
  end: number,
  out: DataView,
  at: number,
): number {
  let from = start;
  for (; from + WORD_BYTES <= end; from += WORD_BYTES) {
    out.setFloat64(at, view.getFloat64(from, true), true);
    at += WORD_BYTES;
  }
  for (; from < end; from++) out.setUint8(at++, view.getUint8(from));
  return at;
}

/** Short texts in ASCII that are made at run time. Returns the new end. */
export function writeAscii(text: string, out: DataView, at: number): number {
  for (let index = 0; index < text.length; index++) out.setUint8(at++, text.charCodeAt(index));
  return at;
}
