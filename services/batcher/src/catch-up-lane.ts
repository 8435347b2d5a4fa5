import { OffsetOutOfRangeError, type ReadResult } from '@trailpush/core';
import type { FencedProgress } from './fenced-progress.ts';
import { isCut } from './live-lane.ts';
import type { PlanReader } from './plan-reader.ts';
import { Renders } from './renders.ts';
import { SeekingReader } from './seeking-reader.ts';
import type { Shared } from './shared.ts';
import { sweep, type Routes, type Taker } from './sweep.ts';
import type { Track } from './track.ts';
import { Wakeup } from './wakeup.ts';

const IDLE_WAIT_MS = 1000;
/** From this distance on, in offsets, one sweep does not do for those furthest behind and those nearest. */
const FAR_APART = 20_000;

/** What the lane needs of its partition. */
export interface CatchUpOwner {
  readonly progress: FencedProgress;
  readonly tracks: Iterable<Track>;
  liveHorizon(): number;
  /** Called when memory runs short, before the lane waits for room. */
  relievePressure(): void;
  /** The log ends before a place that was reached earlier. */
  cutLog(error: OffsetOutOfRangeError): void;
  /** The log lost [position, start) before this track had read it. */
  lostToRetention(track: Track, error: OffsetOutOfRangeError): Promise<void>;
  /** The body of a plan cannot be made again. */
  renderFailed(track: Track, error: unknown): void;
}

/**
 * The second reader of a partition, for jobs that are behind: it sweeps up from the lowest place that
 * anybody needs, serves everyone that it passes, and hands a job to the live lane when it has come as far.
 * While somebody is far ahead of that sweep, every other read is for who is furthest ahead: a job that is
 * a minute late must not wait for the replay of a week.
 */
export class CatchUpLane {
  readonly #owner: CatchUpOwner;
  readonly #shared: Shared;
  readonly #signal: AbortSignal;
  readonly #wakeup = new Wakeup();
  readonly #renders: Renders;
  /** Set by `wake`, which may come while the lane is not waiting. */
  #isWoken = false;
  readonly #furthestBehind: SeekingReader;
  readonly #furthestAhead: SeekingReader;
  #isTurnOfAhead = false;

  constructor(options: {
    owner: CatchUpOwner;
    shared: Shared;
    partition: number;
    signal: AbortSignal;
  }) {
    this.#owner = options.owner;
    this.#shared = options.shared;
    this.#signal = options.signal;
    const { log } = options.shared;
    this.#furthestBehind = new SeekingReader(log, options.partition);
    this.#furthestAhead = new SeekingReader(log, options.partition);
    this.#renders = new Renders(options.owner, options.shared);
  }

  wake(): void {
    this.#isWoken = true;
    this.#wakeup.notify();
  }

  /** Runs until the partition is given up. */
  async run(): Promise<void> {
    const close = () => void this.#closeReaders().catch(() => undefined);
    this.#signal.addEventListener('abort', close, { once: true });
    try {
      while (!this.#signal.aborted) {
        if ((await this.#step()) || this.#takeWake()) continue;
        await this.#closeReaders();
        await this.#wakeup.wait(this.#signal, { clock: this.#shared.clock, ms: IDLE_WAIT_MS });
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    } finally {
      this.#signal.removeEventListener('abort', close);
      this.#renders.abandon();
      await this.#closeReaders();
    }
  }

  /** Whether somebody called `wake` since this was asked last. */
  #takeWake(): boolean {
    const isWoken = this.#isWoken;
    this.#isWoken = false;
    return isWoken;
  }

  /** Reads once for somebody, and sweeps. False: there is nothing to do. */
  async #step(): Promise<boolean> {
    this.#handOver();
    await this.#renders.openWanted(this.#signal);
    await this.#makeRoom();
    const next = this.#next();
    if (this.#signal.aborted || !next) return false;
    const { reader, from } = next;
    const result = await this.#read(reader, from);
    if (!result) return true;
    const { progress } = this.#owner;
    const setAside = await progress.setAsideIn(from, result.nextOffset - 1);
    if (!(await this.#sweep(from, result, setAside))) return false;
    await progress.flushDeadLetters();
    await this.#renders.finishDone();
    this.#handOver();
    return true;
  }

  /** Where to read on, and with which reader. Undefined: nobody needs anything. */
  #next(): { reader: SeekingReader; from: number } | undefined {
    let lowest = Number.POSITIVE_INFINITY;
    let highest = Number.NEGATIVE_INFINITY;
    for (const { position } of this.#needy()) {
      lowest = Math.min(lowest, position);
      highest = Math.max(highest, position);
    }
    if (lowest === Number.POSITIVE_INFINITY) return undefined;
    this.#isTurnOfAhead = !this.#isTurnOfAhead && highest - lowest > FAR_APART;
    return this.#isTurnOfAhead
      ? { reader: this.#furthestAhead, from: highest }
      : { reader: this.#furthestBehind, from: lowest };
  }

  async #sweep(
    from: number,
    { records, nextOffset }: ReadResult,
    setAside: ReadonlySet<number>,
  ): Promise<boolean> {
    // Only now, with nothing awaited in between: the read has taken its time, and tracks have moved.
    const takers = [...this.#needy()].filter(
      ({ position }) => position >= from && position < nextOffset,
    );
    for (const taker of takers) taker.sweeping = true;
    const isDone = await sweep(records, {
      lane: 'catch-up',
      routes: routesOf(takers),
      progress: this.#owner.progress,
      shared: this.#shared,
      signal: this.#signal,
      setAside,
      makeRoom: (offset) => this.#makeRoom(offset),
    });
    const readUpToMs = records.at(-1)?.timestampMs;
    for (const taker of takers) {
      if (taker.sweeping && isDone) taker.position = Math.min(nextOffset, taker.end);
      taker.sweeping = false;
      if (!('track' in taker)) taker.readUpToMs = readUpToMs ?? taker.readUpToMs;
    }
    return isDone;
  }

  /**
   * What this lane holds itself must not be what it waits for: batches are closed or thrown away, and of
   * the bodies that are half read again one is kept, which may be finished beyond the budget.
   */
  async #makeRoom(sweptTo?: number): Promise<void> {
    const { budget } = this.#shared;
    if (!budget.isFull || this.#renders.isOverdrawn) return;
    this.#owner.relievePressure();
    this.#renders.keepOne();
    const [one] = this.#renders.list;
    if (!one) {
      await budget.room(this.#signal);
      return;
    }
    await budget.roomOrOverdraft(one, this.#signal);
    if (!budget.isOverdrawnBy(one) || sweptTo === undefined) return;
    for (const track of this.#owner.tracks) if (track.sweeping) track.pauseAt(sweptTo);
  }

  /** Those whom the lane must bring forward; while it is overdrawn, only the one body. */
  *#needy(): Iterable<Track | PlanReader> {
    yield* this.#renders.list;
    if (this.#shared.budget.isFull && this.#renders.isOverdrawn) return;
    for (const track of this.#owner.tracks) if (isFed(track)) yield track;
  }

  async #read(reader: SeekingReader, from: number): Promise<ReadResult | undefined> {
    try {
      return await reader.read(from);
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      await this.#lost(error);
      return undefined;
    }
  }

  async #lost(error: OffsetOutOfRangeError): Promise<void> {
    if (isCut(error)) {
      this.#owner.cutLog(error);
      return;
    }
    this.#renders.lost(error);
    for (const track of [...this.#owner.tracks]) {
      if (!isFed(track) || track.position >= error.start) continue;
      // What was read goes first: a gap behind it cannot be stored before it is done.
      track.close(track.position - 1, 'retention');
      if (track.deliveries.length > 0) track.blocked = true;
      else await this.#owner.lostToRetention(track, error);
    }
  }

  #handOver(): void {
    const horizon = this.#owner.liveHorizon();
    for (const track of this.#owner.tracks) if (isServed(track)) track.handOver(horizon);
  }

  async #closeReaders(): Promise<void> {
    await Promise.all([this.#furthestBehind.close(), this.#furthestAhead.close()]);
  }
}

/** A job that fails reads no further than its open plans: they are what it can send. */
function isServed(track: Track): boolean {
  return track.lane === 'catch-up' && !track.blocked && !track.isHeldUp;
}

function isFed(track: Track): boolean {
  return isServed(track) && track.isDue && track.position < track.end;
}

function routesOf(takers: readonly (Track | PlanReader)[]): Routes {
  const routes = new Map<string, Taker[]>();
  for (const taker of takers) {
    const { accountId } = ('track' in taker ? taker.track : taker).open.job;
    const sameKey = routes.get(accountId);
    if (sameKey) sameKey.push(taker);
    else routes.set(accountId, [taker]);
  }
  return routes;
}
