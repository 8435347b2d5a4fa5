import { LogClosedError } from '@trailpush/core';
import type { Clock, PartitionReader, ReadResult } from '@trailpush/core';
import { backoffMs } from './health.ts';

/**
 * A read that waits at the end of the log is answered at the first empty fetch after this time. A fetch
 * waits a quarter of a second at most, so that the port's second is kept.
 */
const idleAnswerMs = 700;
/** How long a reader counts as busy after it got or took records. */
const busyMs = 1_000;

type Outcome = { readonly result: ReadResult } | { readonly error: Error };

/**
 * The place where a fetch loop and a reading lane meet. Holds one result ahead of the lane, so that the
 * next fetch is under way while the lane works.
 */
export class KafkaReader implements PartitionReader {
  readonly partition: number;
  readonly #clock: Clock;
  readonly #onChange: (reader: KafkaReader) => void;
  #position: number;
  #ahead: Outcome | undefined;
  #waiting: { readonly sinceMs: number; readonly settle: (outcome: Outcome) => void } | undefined;
  #closed = false;
  #failures = 0;
  #retryAtMs = 0;
  #activeMs = -Infinity;

  constructor(
    at: { readonly partition: number; readonly offset: number },
    clock: Clock,
    onChange: (reader: KafkaReader) => void,
  ) {
    this.partition = at.partition;
    this.#position = at.offset;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** The offset that the next fetch asks for. */
  get position(): number {
    return this.#position;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Failed fetches since the last one that worked. */
  get failures(): number {
    return this.#failures;
  }

  /** When the reader last got or took records; -Infinity before. */
  get activeMs(): number {
    return this.#activeMs;
  }

  get busy(): boolean {
    return this.#clock.monotonic() - this.#activeMs < busyMs;
  }

  /** Milliseconds until it can take the outcome of a fetch; Infinity while it holds one. */
  get fetchInMs(): number {
    if (this.#closed || this.#ahead !== undefined) return Infinity;
    return Math.max(0, this.#retryAtMs - this.#clock.monotonic());
  }

  async read(): Promise<ReadResult> {
    if (this.#closed) throw closedError();
    if (this.#waiting !== undefined) throw new Error('a reader was asked twice at the same time');
    const ahead = this.#ahead;
    if (ahead !== undefined) {
      this.#ahead = undefined;
      this.#activeMs = this.#clock.monotonic();
      this.#onChange(this);
    }
    const outcome = ahead ?? (await this.#wait());
    if ('error' in outcome) throw outcome.error;
    return outcome.result;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#ahead = undefined;
    this.#waiting?.settle({ error: closedError() });
    this.#onChange(this);
  }

  /** A fetch at `position` worked. Ignored when another one was faster. */
  fetched(position: number, result: ReadResult): void {
    if (this.#isLate(position)) return;
    this.#failures = 0;
    if (result.nextOffset > position) {
      this.#position = result.nextOffset;
      this.#activeMs = this.#clock.monotonic();
      this.#settle({ result });
      return;
    }
    const waiting = this.#waiting;
    if (waiting !== undefined && this.#clock.monotonic() - waiting.sinceMs >= idleAnswerMs) {
      this.#settle({ result });
    }
  }

  /** A fetch at `position` did not work; the next one follows after a pause that grows. */
  failed(position: number): void {
    if (this.#isLate(position)) return;
    this.#failures += 1;
    this.#retryAtMs = this.#clock.monotonic() + backoffMs(this.#failures);
  }

  /** The log does not have `position`: the lane must hear of it. */
  rejected(position: number, error: Error): void {
    if (this.#isLate(position)) return;
    this.#failures = 0;
    this.#settle({ error });
  }

  #isLate(position: number): boolean {
    return this.#closed || this.#ahead !== undefined || position !== this.#position;
  }

  #settle(outcome: Outcome): void {
    if (this.#waiting === undefined) this.#ahead = outcome;
    else this.#waiting.settle(outcome);
  }

  async #wait(): Promise<Outcome> {
    const sinceMs = this.#clock.monotonic();
    return new Promise((resolve) => {
      const settle = (outcome: Outcome): void => {
        this.#waiting = undefined;
        resolve(outcome);
      };
      this.#waiting = { sinceMs, settle };
    });
  }
}

function closedError(): LogClosedError {
  return new LogClosedError('the reader is closed');
}
