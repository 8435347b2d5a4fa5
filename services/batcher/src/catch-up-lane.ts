import { LogClosedError, OffsetOutOfRangeError, type PartitionReader, type ReadResult } from '@trailpush/core';
import type { FencedProgress } from './fenced-progress.ts';
import { Render } from './render.ts';
import type { Shared } from './shared.ts';
import { sweep, type Routes, type Taker } from './sweep.ts';
import type { Track } from './track.ts';
import { Wakeup } from './wakeup.ts';

/** Bodies that are made again at once; each holds some memory until it is sent. */
const MAX_RENDERS = 64;
const IDLE_WAIT_MS = 1000;

/** What the lane needs of its partition. */
export interface CatchUpOwner {
  readonly progress: FencedProgress;
  tracks(): Iterable<Track>;
  liveHorizon(): number;
  /** The log lost [position, start) before this track had read it. */
  lostToRetention(track: Track, error: OffsetOutOfRangeError): Promise<void>;
  /** A plan's body cannot be made again as it was. */
  renderFailed(render: { track: Track; plan: Render['plan'] }, error: unknown): void;
}

/**
 * The second reader of a partition, for jobs that are behind: it sweeps up from the lowest place that
 * anybody needs, serves everyone that it passes, and hands a job to the live lane when it has come as far.
 */
export class CatchUpLane {
  readonly #owner: CatchUpOwner;
  readonly #shared: Shared;
  readonly #partition: number;
  readonly #signal: AbortSignal;
  readonly #wakeup = new Wakeup();
  #renders: Render[] = [];
  #reader: PartitionReader | undefined;
  /** Where the reader stands; it is opened anew to go anywhere else. */
  #readerAt = -1;

  constructor(options: { owner: CatchUpOwner; shared: Shared; partition: number; signal: AbortSignal }) {
    this.#owner = options.owner;
    this.#shared = options.shared;
    this.#partition = options.partition;
    this.#signal = options.signal;
  }

  wake(): void {
    this.#wakeup.notify();
  }

  /** Runs until the partition is given up. */
  async run(): Promise<void> {
    try {
      while (!this.#signal.aborted) {
        if (!(await this.#step())) {
          await this.#closeReader();
          await this.#wakeup.wait(this.#shared.clock, IDLE_WAIT_MS, this.#signal);
        }
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    } finally {
      for (const render of this.#renders) render.abandon();
      await this.#closeReader();
    }
  }

  /** Reads once for those who are furthest behind. False: there is nothing to do. */
  async #step(): Promise<boolean> {
    this.#handOver();
    await this.#openRenders();
    const tracks = [...this.#owner.tracks()].filter(isFed);
    const from = Math.min(...tracks.map(positionOf), ...this.#renders.map(positionOf));
    if (from === Number.POSITIVE_INFINITY) return false;
    await this.#shared.budget.room(this.#signal);
    if (this.#signal.aborted) return false;
    const result = await this.#read(from);
    if (!result) return true;
    const takers = [...tracks, ...this.#renders].filter(
      ({ position }) => position >= from && position < result.nextOffset,
    );
    for (const taker of takers) taker.sweeping = true;
    await sweep(result.records, 'catch-up', routesOf(takers), this.#owner.progress, this.#shared);
    await this.#owner.progress.flushDeadLetters();
    for (const taker of takers) {
      if (taker.sweeping) taker.position = result.nextOffset;
      taker.sweeping = false;
    }
    await this.#finishRenders();
    this.#handOver();
    return true;
  }

  async #read(from: number): Promise<ReadResult | undefined> {
    if (!this.#reader || this.#readerAt !== from) {
      await this.#closeReader();
      this.#reader = this.#shared.log.openReader(this.#partition, from);
    }
    try {
      const result = await this.#reader.read();
      this.#readerAt = result.nextOffset;
      return result;
    } catch (error) {
      await this.#closeReader();
      if (error instanceof LogClosedError) return undefined;
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      await this.#lost(error);
      return undefined;
    }
  }

  async #lost(error: OffsetOutOfRangeError): Promise<void> {
    const isLost = (taker: { position: number }) => taker.position < error.start;
    for (const render of this.#renders.filter(isLost)) {
      render.abandon();
      this.#owner.renderFailed(render, error);
    }
    this.#renders = this.#renders.filter((render) => !isLost(render));
    for (const track of [...this.#owner.tracks()].filter(isFed).filter(isLost)) {
      await this.#owner.lostToRetention(track, error);
    }
  }

  /** Tracks that came as far as the live lane, or further, go on there with all that they hold. */
  #handOver(): void {
    const horizon = this.#owner.liveHorizon();
    for (const track of this.#owner.tracks()) {
      if (isFed(track) && track.position >= horizon) track.attach();
    }
  }

  async #openRenders(): Promise<void> {
    this.#renders = this.#renders.filter((render) => {
      if (!render.track.signal.aborted && render.delivery.wantsBody) return true;
      render.abandon();
      return false;
    });
    for (const track of this.#owner.tracks()) {
      for (const delivery of track.deliveries) {
        if (this.#renders.length >= MAX_RENDERS || this.#shared.budget.underPressure) return;
        const { plan } = delivery;
        if (!plan || !delivery.wantsBody) continue;
        if (this.#renders.some((render) => render.delivery === delivery)) continue;
        try {
          this.#renders.push(await Render.open(track, delivery, plan, this.#shared));
        } catch (error) {
          if (this.#signal.aborted) throw error;
          delivery.wantsBody = false;
          this.#owner.renderFailed({ track, plan }, error);
        }
      }
    }
  }

  async #finishRenders(): Promise<void> {
    const done = this.#renders.filter((render) => render.done);
    this.#renders = this.#renders.filter((render) => !render.done);
    for (const render of done) {
      try {
        await render.finish();
      } catch (error) {
        if (this.#signal.aborted) throw error;
        render.delivery.wantsBody = false;
        this.#owner.renderFailed(render, error);
      }
    }
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#readerAt = -1;
    await reader?.close();
  }
}

/** A job that fails reads no further than its open plans: they are what it can send. */
function isFed(track: Track): boolean {
  return track.lane === 'catch-up' && !track.blocked && !track.open.health.failing;
}

function positionOf(taker: { position: number }): number {
  return taker.position;
}

function routesOf(takers: readonly (Track | Render)[]): Routes {
  const routes = new Map<string, Taker[]>();
  for (const taker of takers) {
    const { accountId } = ('track' in taker ? taker.track : taker).open.job;
    const sameKey = routes.get(accountId);
    if (sameKey) sameKey.push(taker);
    else routes.set(accountId, [taker]);
  }
  return routes;
}
