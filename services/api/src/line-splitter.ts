const NEWLINE = 0x0a;
const SPACE = 0x20;

/**
 * One line, without its newline; `bytes` is a view that is valid during the call only, and undefined
 * when the line was longer than allowed. Numbers start at 1.
 */
export type OnLine = (number: number, bytes: Buffer | undefined) => void;

/** Cuts chunks of any size into lines. Blank lines are counted but not reported. Holds one line at most. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  readonly #onLine: OnLine;
  #number = 1;
  /** The beginning of a line whose end has not arrived; empty while it is too long. */
  #carry: Buffer[] = [];
  #lineBytes = 0;

  constructor(maxLineBytes: number, onLine: OnLine) {
    this.#maxLineBytes = maxLineBytes;
    this.#onLine = onLine;
  }

  /** Lines that were begun, blank ones included. */
  get lines(): number {
    return this.#number;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      if (end === start && this.#lineBytes === 0) {
        this.#number += 1;
      } else {
        this.#add(chunk.subarray(start, end));
        this.#finishLine();
      }
      start = end + 1;
    }
    if (start < chunk.length) this.#add(chunk.subarray(start));
  }

  /** Call once after the last chunk: the last line may lack its newline. */
  end(): void {
    if (this.#lineBytes > 0) this.#finishLine();
  }

  #add(piece: Buffer): void {
    this.#lineBytes += piece.length;
    if (this.#lineBytes > this.#maxLineBytes) this.#carry = [];
    else this.#carry.push(piece);
  }

  #finishLine(): void {
    const number = this.#number;
    if (this.#lineBytes > this.#maxLineBytes) {
      this.#onLine(number, undefined);
    } else {
      const [first] = this.#carry;
      const line =
        this.#carry.length === 1 && first !== undefined ? first : Buffer.concat(this.#carry);
      if (!isBlank(line)) this.#onLine(number, line);
    }
    this.#number += 1;
    this.#carry = [];
    this.#lineBytes = 0;
  }
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === SPACE || byte === 0x09 || byte === 0x0d);
}
