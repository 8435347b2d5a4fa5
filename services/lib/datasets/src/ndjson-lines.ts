/** One line without its newline; numbers start at 1 and count blank lines, which are left out. */
export type InputLine =
  | { readonly number: number; readonly bytes: Buffer }
  | { readonly number: number; readonly tooLong: true };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
/** What a line may have besides its text. */
const TRIMMED_BYTES = BYTE_ORDER_MARK.length + 1;

/**
 * Cuts a stream of any size into lines. Lines may end in CR LF, the last one may lack its end, and one
 * byte order mark at the very start is left out. At most one line is held, and of a line that is too
 * long nothing. Reading waits while a line is worked on.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<InputLine, void, void> {
  const carry = new Carry(maxLineBytes + TRIMMED_BYTES);
  let number = 1;
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const line = toLine(number, carry.complete(bytes.subarray(start, end)), maxLineBytes);
      if (line) yield line;
      number++;
      start = end + 1;
    }
    carry.add(bytes.subarray(start));
  }
  const last = toLine(number, carry.complete(Buffer.alloc(0)), maxLineBytes);
  if (last) yield last;
}

function toLine(
  number: number,
  bytes: Buffer | undefined,
  maxLineBytes: number,
): InputLine | undefined {
  if (!bytes) return { number, tooLong: true };
  const marked = number === 1 && bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  const start = marked ? BYTE_ORDER_MARK.length : 0;
  const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length;
  const line = bytes.subarray(start, end);
  if (isBlank(line)) return undefined;
  return line.length > maxLineBytes ? { number, tooLong: true } : { number, bytes: line };
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN);
}

/** The beginning of a line whose end has not come yet, copied together, so that chunks can go. */
class Carry {
  readonly #maxBytes: number;
  #bytes = Buffer.alloc(0);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (length > this.#maxBytes) {
      this.#bytes = Buffer.alloc(0);
    } else {
      if (length > this.#bytes.length) this.#grow(length);
      piece.copy(this.#bytes, this.#length);
    }
    this.#length = length;
  }

  /** The whole line, or undefined when it was too long. It stays valid. */
  complete(end: Buffer): Buffer | undefined {
    if (this.#length === 0) return end.length > this.#maxBytes ? undefined : end;
    this.add(end);
    const line = this.#length > this.#maxBytes ? undefined : this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    return line;
  }

  #grow(length: number): void {
    const grown = Buffer.alloc(Math.min(this.#maxBytes, Math.max(length, 2 * this.#bytes.length)));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
