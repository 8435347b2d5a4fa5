import type { LastRead, OffsetOutOfRangeError, ReadResult } from '@trailpush/core';
import type { FencedProgress } from './fenced-progress.ts';
import type { Shared } from './shared.ts';
import { sweep, type Routes } from './sweep.ts';

/** What the lane needs of its partition. */
export interface LiveOwner {
  readonly progress: FencedProgress;
  routes(): Routes;
  /** Called when memory runs short, before the lane waits for room. */
  relievePressure(): void;
}

const NONE: ReadonlySet<number> = new Set();

/** The shared reader of a partition: every record is read once for all attached jobs. */
export class LiveLane {
  readonly #owner: LiveOwner;
  readonly #shared: Shared;
  readonly #partition: number;
  readonly #signal: AbortSignal;
  /** Where the log ended at the claim: what lies below may have been read by an earlier owner. */
  readonly #claimedEnd: number;
  /** The next offset to look at; everything below it was offered to all attached jobs. */
  position: number;
  /** Up to here records are being offered right now; equal to `position` between reads. */
  horizon: number;
  /** What the last read said of the log. */
  logEnd: number;
  lastRead: LastRead | null = null;

  constructor(options: {
    owner: LiveOwner;
    shared: Shared;
    partition: number;
    position: number;
    logEnd: number;
    signal: AbortSignal;
  }) {
    this.#owner = options.owner;
    this.#shared = options.shared;
    this.#partition = options.partition;
    this.position = options.position;
    this.horizon = options.position;
    this.logEnd = options.logEnd;
    this.#claimedEnd = options.logEnd;
    this.#signal = options.signal;
  }

  /** True when the lane has seen all that there was at its last read. */
  get caughtUp(): boolean {
    return this.position >= this.logEnd;
  }

  /**
   * Runs until the partition is given up.
   * @throws OffsetOutOfRangeError when the log does not hold the position (any more).
   */
  async run(): Promise<void> {
    this.horizon = this.position;
    const reader = this.#shared.log.openReader(this.#partition, this.position);
    const close = () => void reader.close().catch(() => undefined);
    this.#signal.addEventListener('abort', close, { once: true });
    try {
      while (!this.#signal.aborted) await this.#look(await reader.read());
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    } finally {
      this.#signal.removeEventListener('abort', close);
      await reader.close();
    }
  }

  async #look(result: ReadResult): Promise<void> {
    if (this.#signal.aborted) return;
    const { progress } = this.#owner;
    const { position } = this;
    const setAside =
      position < this.#claimedEnd && result.records.length > 0
        ? await progress.setAsideIn(position, result.nextOffset - 1)
        : NONE;
    // From here on to the end of the sweep no track can join below the horizon.
    this.horizon = result.nextOffset;
    const isDone = await sweep(result.records, {
      lane: 'live',
      routes: this.#owner.routes(),
      progress,
      shared: this.#shared,
      signal: this.#signal,
      setAside,
      makeRoom: () => this.#makeRoom(),
    });
    if (!isDone) return;
    await progress.flushDeadLetters();
    const last = result.records.at(-1);
    if (last) this.lastRead = { offset: last.offset, timestampMs: last.timestampMs };
    this.position = result.nextOffset;
    this.logEnd = result.end;
    await this.#makeRoom();
  }

  async #makeRoom(): Promise<void> {
    const { budget } = this.#shared;
    if (budget.underPressure) this.#owner.relievePressure();
    await budget.room(this.#signal);
  }
}

/** True when the log ends before the place that we had reached: it was cut or made anew. */
export function isCut(error: OffsetOutOfRangeError): boolean {
  return error.offset > error.end;
}
