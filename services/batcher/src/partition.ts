import {
  messageOf,
  OffsetOutOfRangeError,
  type ClaimedPartition,
  type Logger,
  type PartitionBounds,
} from '@trailpush/core';
import { CatchUpLane, type CatchUpOwner } from './catch-up-lane.ts';
import { closeDue } from './close-due.ts';
import { FencedProgress } from './fenced-progress.ts';
import { isCut, LiveLane, type LiveOwner } from './live-lane.ts';
import { LogCheck } from './log-check.ts';
import type { OpenJob } from './open-job.ts';
import { relievePressure } from './pressure.ts';
import { settleReplays } from './replay-track.ts';
import type { Shared } from './shared.ts';
import type { Routes } from './sweep.ts';
import type { TrackOwner } from './track-owner.ts';
import type { Track } from './track.ts';
import { Tracks } from './tracks.ts';

/** Between two looks at the store for a job of which memory and store disagree. */
const RELOAD_WAIT_MS = 1000;
const TURN_MS = 1;

/** How a partition ends when it was not given up on purpose. */
export type PartitionEnd =
  /** Another owner has it, or memory and store disagree: claim it again if it still is ours. */
  | { readonly kind: 'lost'; readonly error: unknown }
  /** The log is not what it was: a person must look. */
  | { readonly kind: 'stopped'; readonly reason: string };

/** A partition that this process owns under one epoch: its two lanes and the jobs' tracks in it. */
export class Partition implements LiveOwner, CatchUpOwner, TrackOwner {
  readonly progress: FencedProgress;
  readonly live: LiveLane;
  readonly tracks: Tracks;
  readonly #shared: Shared;
  readonly #logger: Logger;
  readonly #partition: number;
  readonly #onEnd: (end: PartitionEnd) => void;
  readonly #stop = new AbortController();
  /** Ends the lanes; `#stop` ends the deliveries too. */
  readonly #stopReading = new AbortController();
  readonly #catchUp: CatchUpLane;
  readonly #logCheck: LogCheck;
  #lanes: Promise<unknown> = Promise.resolve();
  /** More is due than one turn could close. */
  #isClosing = false;

  /** `onEnd` is called at most once, and not after `stop`. */
  constructor(options: {
    claim: ClaimedPartition;
    logEnd: number;
    shared: Shared;
    onEnd: (end: PartitionEnd) => void;
  }) {
    const { claim, shared } = options;
    const { partition, epoch } = claim;
    this.#shared = shared;
    this.#partition = partition;
    this.#onEnd = options.onEnd;
    const { signal } = this.#stop;
    this.#logger = shared.logger.child({ partition, epoch });
    this.progress = new FencedProgress({
      store: shared.progress,
      ownership: claim,
      clock: shared.clock,
      logger: this.#logger,
      signal,
    });
    this.tracks = new Tracks({ progress: this.progress, shared, owner: this });
    signal.addEventListener('abort', () => this.#stopReading.abort(), { once: true });
    const lane = { owner: this, shared, partition, signal: this.#stopReading.signal };
    this.live = new LiveLane({ ...lane, position: claim.liveFrom, logEnd: options.logEnd });
    this.live.lastRead = claim.lastRead;
    this.#catchUp = new CatchUpLane(lane);
    this.#logCheck = new LogCheck(shared.log, claim.lastRead);
  }

  get epoch(): number {
    return this.progress.ownership.epoch;
  }

  /** True while bodies are held that may well be delivered soon. */
  get isDelivering(): boolean {
    for (const { lane, deliveries, open } of this.tracks) {
      if (lane === 'none' || open.health.failing) continue;
      if (deliveries.some(({ heldBytes }) => heldBytes > 0)) return true;
    }
    return false;
  }

  /** Takes over what is stored and starts both lanes. */
  start(jobs: Iterable<OpenJob>): void {
    this.tracks.restore(jobs, this.progress.ownership.plans);
    this.#lanes = Promise.all([this.#runLive(), this.#guard(this.#catchUp.run())]);
  }

  /** Reads nothing more; what is being sent goes on. */
  stopReading(): void {
    this.#stopReading.abort();
  }

  /** Stops reading and sending at once; what is under way elsewhere is fenced by the epoch. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.tracks.drop();
    await this.#lanes;
    await this.progress.settled();
  }

  /** Ends the partition, since it is not ours any more or cannot be trusted. */
  lose(error: unknown): void {
    this.#end({ kind: 'lost', error });
  }

  // --- what the lanes and tracks ask -------------------------------------------------------------

  routes(): Routes {
    return this.tracks.routes;
  }

  livePosition(): number {
    return this.live.position;
  }

  liveHorizon(): number {
    return this.live.horizon;
  }

  wakeCatchUp(): void {
    this.#catchUp.wake();
  }

  relievePressure(): void {
    relievePressure([...this.tracks], this.#shared.budget, (track) => {
      track.close(this.#lookedAt(track), 'memory');
    });
  }

  cutLog(error: OffsetOutOfRangeError): void {
    this.#end({ kind: 'stopped', reason: error.message });
  }

  async lostToRetention(track: Track, error: OffsetOutOfRangeError): Promise<void> {
    const { topic } = this.progress.ownership;
    const { jobId, position: from } = track;
    const to = Math.min(error.start, track.end);
    const gap = {
      ...{ jobId, topic, partition: this.#partition, from, to },
      reason: 'the log no longer held these offsets when the job came to read them',
      possiblyDelivered: false,
      seenAtMs: this.#shared.clock.now(),
    };
    await this.progress.recordGap(gap, () => {
      track.position = Math.max(track.position, to);
    });
    this.#shared.telemetry.gap(track.open, gap);
  }

  renderFailed(track: Track, error: unknown): void {
    track.park();
    this.#shared.telemetry.stopped(track.open, messageOf(error));
  }

  deliveryEnded(track: Track, error: unknown): void {
    if (error === undefined) void this.#guard(this.#reload(track));
    else this.lose(error);
  }

  // --- what the batcher asks ---------------------------------------------------------------------

  /** The jobs as they are now. Jobs that are not named any more were deleted. */
  reviseJobs(jobs: ReadonlyMap<number, OpenJob>): void {
    for (const work of this.tracks.revise(jobs)) void this.#guard(work);
    this.#catchUp.wake();
  }

  /** Closes what has become too old, and sets failing jobs apart. Several times a second. */
  tick(): void {
    if (this.#isClosing) return;
    const { budget, clock } = this.#shared;
    const wallMs = this.live.caughtUp ? clock.now() : Number.NEGATIVE_INFINITY;
    const now = { monotonicMs: clock.monotonic(), wallMs };
    this.#isClosing = closeDue(this.tracks, now, (track) => this.#lookedAt(track));
    if (this.#isClosing) void this.#guard(this.#tickInNextTurn());
    if (budget.underPressure) this.relievePressure();
  }

  /** Stores where everybody stands. Returns the offset to commit to the group. */
  async pin(): Promise<number> {
    let lowest = this.progress.liveFrom;
    await this.progress.pin(() => {
      const { position: liveFrom, lastRead } = this.live;
      const standing = this.tracks.standing({ liveFrom, lastRead });
      lowest = liveFrom;
      for (const { cursor, detached } of standing.cursors) {
        if (!detached) lowest = Math.min(lowest, cursor);
      }
      return standing;
    });
    await settleReplays(this.tracks, this.#shared);
    return lowest;
  }

  /** Ends the partition when the log is not the one any more that was read. @throws as `LogCheck` */
  async checkLog(askBounds: () => Promise<PartitionBounds>): Promise<void> {
    const latest = this.live.lastRead;
    const cut = await this.#logCheck.findCut(latest, await askBounds(), this.#stopReading.signal);
    if (cut === undefined) return;
    this.stopReading();
    this.live.lastRead = cut.lastRead;
    await this.pin();
    this.#end({ kind: 'stopped', reason: cut.reason });
  }

  // -----------------------------------------------------------------------------------------------

  async #tickInNextTurn(): Promise<void> {
    await this.#shared.clock.sleep(TURN_MS, this.#stopReading.signal);
    this.#isClosing = false;
    this.tick();
  }

  async #reload(track: Track): Promise<void> {
    track.drop();
    this.#logger.warn(
      { job: track.jobId },
      'a job stands elsewhere in the store: loading it again',
    );
    // Whatever made them disagree may still be under way, and nobody is served by asking at once.
    await this.#shared.clock.sleep(RELOAD_WAIT_MS, this.#stop.signal);
    await this.tracks.reload(track);
  }

  /** The last offset that was looked at for this track. */
  #lookedAt(track: Track): number {
    const { lane, position } = track;
    return (lane === 'live' ? Math.max(position, this.live.position) : position) - 1;
  }

  async #runLive(): Promise<void> {
    for (;;) {
      try {
        await this.live.run();
        return;
      } catch (error) {
        if (!(error instanceof OffsetOutOfRangeError)) {
          this.lose(error);
          return;
        }
        if (isCut(error)) {
          this.cutLog(error);
          return;
        }
        this.#skipLostOffsets(error);
        if (this.#stopReading.signal.aborted) return;
      }
    }
  }

  /** Retention overtook the live lane: everybody who is attached lost the same offsets. */
  #skipLostOffsets(error: OffsetOutOfRangeError): void {
    for (const track of this.tracks) {
      if (track.lane !== 'live') continue;
      // What was read is not lost: it goes out as it is.
      const lookedAt = this.#lookedAt(track);
      if (track.close(lookedAt, 'retention')) track.detach();
      else track.detachFull(lookedAt + 1);
    }
    this.live.position = error.start;
    this.live.horizon = error.start;
    this.#catchUp.wake();
  }

  async #guard(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!this.#stop.signal.aborted) this.lose(error);
    }
  }

  #end(end: PartitionEnd): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.tracks.drop();
    this.#onEnd(end);
  }
}
