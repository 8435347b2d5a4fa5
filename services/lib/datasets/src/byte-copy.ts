/**
 * Copying between two views with wide loads and stores, which is what JavaScript has instead of memcpy
 * for short pieces: `Uint8Array.set` copies faster, but its views cost 100 ns before the first byte.
 */

const WORD_BYTES = 8;
const FIRST_WORDS = 3;

/** A constant in UTF-8, in words to be stored as they are. UTF-8 never looks like a NaN. */
export interface Literal {
  readonly length: number;
  readonly first: number;
  readonly second: number;
  readonly third: number;
  readonly rest: Float64Array;
}

/** So many bytes behind a literal may be overwritten, too. */
export const LITERAL_OVERRUN_BYTES = FIRST_WORDS * WORD_BYTES;

export function literal(text: string): Literal {
  const encoded = Buffer.from(text);
  const words = Math.max(FIRST_WORDS, Math.ceil(encoded.length / WORD_BYTES));
  const bytes = new DataView(new ArrayBuffer(words * WORD_BYTES));
  new Uint8Array(bytes.buffer).set(encoded);
  const wordAt = (index: number) => bytes.getFloat64(index * WORD_BYTES, true);
  const rest = new Float64Array(words - FIRST_WORDS);
  return {
    length: encoded.length,
    first: wordAt(0),
    second: wordAt(1),
    third: wordAt(2),
    rest: rest.map((_, index) => wordAt(FIRST_WORDS + index)),
  };
}

/**
 * Returns the new end; what lies up to `LITERAL_OVERRUN_BYTES` behind it is lost. Most literals are names
 * of fields with their punctuation: storing all three words always is faster than a loop over two.
 */
export function writeLiteral(constant: Literal, out: DataView, at: number): number {
  const { length, rest } = constant;
  out.setFloat64(at, constant.first, true);
  out.setFloat64(at + WORD_BYTES, constant.second, true);
  out.setFloat64(at + 2 * WORD_BYTES, constant.third, true);
  for (let index = 0; index < rest.length; index++) {
    out.setFloat64(at + (FIRST_WORDS + index) * WORD_BYTES, rest[index] ?? 0, true);
  }
  return at + length;
}

/** Measured: from here on `set` is faster. */
const MIN_SET_BYTES = 400;

/** Copies UTF-8. Returns the new end. */
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
