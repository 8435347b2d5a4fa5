import type { BatchFrame } from '@trailpush/core';

/** Of all lines together; one line alone may be larger, as a record may. */
export const MAX_PREVIEW_BYTES = 1024 * 1024;

/**
 * The newest lines of a search that goes back in steps, each of which is read forwards. Beyond its limits, the
 * oldest lines are given up.
 */
export class PreviewLines {
  readonly #frame: BatchFrame;
  readonly #limit: number;
  /** Of the steps before, in order. */
  #newer: Buffer[] = [];
  /** Of the present step, in order. */
  #step: Buffer[] = [];
  #bytes = 0;
  #isFull = false;

  constructor(frame: BatchFrame, limit: number) {
    this.#frame = frame;
    this.#limit = limit;
  }

  /** True when no older line has room any more. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Copies the line. */
  push(line: Uint8Array): void {
    this.#step.push(Buffer.from(line));
    this.#bytes += line.length;
    while (this.#count > this.#limit || (this.#bytes > MAX_PREVIEW_BYTES && this.#count > 1)) {
      this.#bytes -= this.#step.shift()?.length ?? 0;
      this.#isFull = true;
    }
  }

  get #count(): number {
    return this.#newer.length + this.#step.length;
  }

  /** What is pushed from now on is older than all that was. */
  endStep(): void {
    this.#newer = [...this.#step, ...this.#newer];
    this.#step = [];
    if (this.#count === this.#limit) this.#isFull = true;
  }

  /** The lines as one object of a destination. */
  object(): { body: string; contentType: string; records: number } {
    const { prefix, delimiter, suffix, contentType, defusesLookups } = this.#frame;
    const lines = [...this.#step, ...this.#newer].map((line) => line.toString());
    const body = lines.length === 0 ? '' : prefix + lines.join(delimiter) + suffix;
    return {
      body: defusesLookups ? body.replaceAll('${', 'x{') : body,
      contentType,
      records: lines.length,
    };
  }
}
