import { messageOf, OffsetOutOfRangeError, type ClaimedPartition, type CursorRow } from '@trailpush/core';
import { CatchUpLane, type CatchUpOwner } from './catch-up-lane.ts';
import { FencedProgress } from './fenced-progress.ts';
import { isCut, LiveLane, type LiveOwner } from './live-lane.ts';
import type { OpenJob } from './open-job.ts';
import { relievePressure } from './pressure.ts';
import type { Shared } from './shared.ts';
import type { Routes } from './sweep.ts';
import { Track, type Lane, type TrackOwner } from './track.ts';

/** A failing job is served apart after this time at the latest; before, its open batch may still grow. */
const DETACH_AFTER_FAILING_MS = 30_000;

/** How a partition ends when it was not given up on purpose. */
export type PartitionEnd =
  /** Another owner has it, or memory and store disagree: claim it again if it still is ours. */
  | { readonly kind: 'lost'; readonly error: unknown }
  /** The log is not what it was: a person must look. */
  | { readonly kind: 'stopped'; readonly error: OffsetOutOfRangeError };

/** A partition that this process owns under one epoch: its two lanes and the jobs' tracks in it. */
export class Partition implements LiveOwner, CatchUpOwner, TrackOwner {
  readonly progress: FencedProgress;
  readonly live: LiveLane;
  readonly #shared: Shared;
  readonly #partition: number;
  readonly #onEnd: (end: PartitionEnd) => void;
  readonly #stop = new AbortController();
  /** Ends the lanes; `#stop` ends the deliveries too. */
  readonly #stopReading = new AbortController();
  readonly #catchUp: CatchUpLane;
  readonly #tracks = new Map<number, Track>();
  #routes: Map<string, Track[]> = new Map();
  #lanes: Promise<unknown> = Promise.resolve();

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
    const logger = shared.logger.child({ partition, epoch });
    this.progress = new FencedProgress({
      store: shared.progress,
      ownership: claim,
      clock: shared.clock,
      logger,
      signal,
    });
    const position = claim.liveFrom;
    this.#stop.signal.addEventListener('abort', () => this.#stopReading.abort(), { once: true });
    const lane = { owner: this, shared, partition, signal: this.#stopReading.signal };
    this.live = new LiveLane({ ...lane, position, logEnd: options.logEnd });
    this.live.lastRead = claim.lastRead;
    this.#catchUp = new CatchUpLane(lane);
  }

  get epoch(): number {
    return this.progress.ownership.epoch;
  }

  /** Takes over what is stored and starts both lanes. */
  start(jobs: Iterable<OpenJob>): void {
    const { plans } = this.progress.ownership;
    for (const open of jobs) {
      const track = this.#newTrack(open);
      const { jobId } = track;
      track.restore(
        this.progress.rows.get(jobId),
        plans.filter((plan) => plan.jobId === jobId),
      );
      if (!open.job.spec.enabled) track.park();
    }
    this.#reroute();
    this.#lanes = Promise.all([this.#runLive(), this.#guard(this.#catchUp.run())]);
  }

  /** Reads nothing more; what is being sent goes on. */
  stopReading(): void {
    this.#stopReading.abort();
  }

  /** Stops reading and sending at once; what is under way elsewhere is fenced by the epoch. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const track of this.#tracks.values()) track.drop();
    await this.#lanes;
  }

  // --- what the lanes and tracks ask -------------------------------------------------------------

  routes(): Routes {
    return this.#routes;
  }

  tracks(): Iterable<Track> {
    return this.#tracks.values();
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
    relievePressure([...this.#tracks.values()], this.#shared.budget, (track) => {
      track.close(this.#lookedAt(track), 'memory');
    });
  }

  async lostToRetention(track: Track, error: OffsetOutOfRangeError): Promise<void> {
    if (isCut(error)) {
      this.#end({ kind: 'stopped', error });
      return;
    }
    const from = track.position;
    const to = error.start;
    track.position = to;
    const { topic } = this.progress.ownership;
    const at = { jobId: track.jobId, topic, partition: this.#partition, from, to };
    await this.progress.recordGap({
      ...at,
      reason: 'the log no longer held these offsets when the job came to read them',
      possiblyDelivered: false,
      seenAtMs: this.#shared.clock.now(),
    });
    this.#shared.telemetry.gap(track.open, at);
  }

  renderFailed(render: { track: Track }, error: unknown): void {
    const { track } = render;
    track.park();
    this.#shared.telemetry.stopped(track.open, messageOf(error));
  }

  deliveryEnded(track: Track, error: unknown): void {
    if (error !== undefined) this.#end({ kind: 'lost', error });
    else void this.#guard(this.#reload(track));
  }

  // --- what the batcher asks ---------------------------------------------------------------------

  /** The jobs as they are now. Jobs that are not named any more were deleted. */
  async reviseJobs(jobs: ReadonlyMap<number, OpenJob>): Promise<void> {
    for (const [jobId, track] of this.#tracks) {
      if (jobs.has(jobId)) continue;
      track.drop();
      this.#tracks.delete(jobId);
      this.progress.rows.delete(jobId);
    }
    for (const [jobId, open] of jobs) {
      const track = this.#tracks.get(jobId);
      if (!track) await this.#reload(this.#newTrack(open));
      else if (track.open !== open) this.#revise(track, open);
    }
    this.#reroute();
    this.#catchUp.wake();
  }

  /** Closes what has become too old, and sets failing jobs apart. Several times a second. */
  tick(): void {
    const monotonicMs = this.#shared.clock.monotonic();
    // Behind the end of the log every record is old: there the time since arrival counts alone.
    const wallMs = this.live.caughtUp ? this.#shared.clock.now() : Number.NEGATIVE_INFINITY;
    for (const track of this.#tracks.values()) {
      if (track.lane !== 'live') continue;
      if (track.open.health.failingForMs > DETACH_AFTER_FAILING_MS) track.detach();
      else if (track.batch && track.batch.ageMs({ monotonicMs, wallMs }) >= track.open.limits.maxAgeMs) {
        track.close(this.#lookedAt(track), 'age');
      }
    }
    if (this.#shared.budget.underPressure) this.relievePressure();
  }

  /** Stores where everybody stands. Returns the offset to commit to the group. */
  async pin(): Promise<number> {
    let lowest = this.progress.liveFrom;
    await this.progress.pin(() => {
      const liveFrom = this.live.position;
      lowest = liveFrom;
      const cursors: CursorRow[] = [];
      const idle: number[] = [];
      for (const track of this.#tracks.values()) {
        const { jobId, owedFrom } = track;
        const detached = track.lane !== 'live';
        if (owedFrom === undefined) idle.push(jobId);
        else cursors.push({ jobId, cursor: owedFrom, detached });
        if (owedFrom !== undefined && !detached) lowest = Math.min(lowest, owedFrom);
      }
      return { liveFrom, lastRead: this.live.lastRead, cursors, idle };
    });
    return lowest;
  }

  /** As `pin`; when the partition turns out to be lost it ends, and there is nothing to commit. */
  async pinOrEnd(): Promise<number | undefined> {
    try {
      return await this.pin();
    } catch (error) {
      this.#end({ kind: 'lost', error });
      return undefined;
    }
  }

  /** Jobs by the lane that serves them. */
  countTracks(lane: Lane): number {
    let count = 0;
    for (const track of this.#tracks.values()) if (track.lane === lane) count++;
    return count;
  }

  // -----------------------------------------------------------------------------------------------

  #newTrack(open: OpenJob): Track {
    const position = this.live.position;
    const track = new Track({ open, progress: this.progress, position, shared: this.#shared, owner: this });
    this.#tracks.set(track.jobId, track);
    return track;
  }

  #revise(track: Track, open: OpenJob): void {
    track.revise(open);
    if (open.job.spec.enabled) track.unpark();
    else track.park();
  }

  async #reload(track: Track): Promise<void> {
    track.drop();
    const { row, plans } = await this.progress.loadJob(track.jobId);
    // Deleted meanwhile: nothing of it may be started again.
    if (this.#tracks.get(track.jobId) !== track) return;
    track.restore(row, plans);
    if (!track.open.job.spec.enabled) track.park();
  }

  #reroute(): void {
    const routes = new Map<string, Track[]>();
    for (const track of this.#tracks.values()) {
      const { accountId } = track.open.job;
      const sameKey = routes.get(accountId);
      if (sameKey) sameKey.push(track);
      else routes.set(accountId, [track]);
    }
    this.#routes = routes;
  }

  /** The last offset that was looked at for this track. */
  #lookedAt(track: Track): number {
    const next = track.lane === 'live' ? Math.max(track.position, this.live.position) : track.position;
    return next - 1;
  }

  async #runLive(): Promise<void> {
    for (;;) {
      try {
        await this.live.run();
        return;
      } catch (error) {
        if (!(error instanceof OffsetOutOfRangeError)) {
          this.#end({ kind: 'lost', error });
          return;
        }
        if (isCut(error)) {
          this.#end({ kind: 'stopped', error });
          return;
        }
        this.#skipLostOffsets(error);
        if (this.#stopReading.signal.aborted) return;
      }
    }
  }

  /** Retention overtook the live lane: everybody who is attached lost the same offsets. */
  #skipLostOffsets(error: OffsetOutOfRangeError): void {
    for (const track of [...this.#tracks.values()]) {
      if (track.lane === 'live') track.detach();
    }
    this.live.position = error.start;
    this.live.horizon = error.start;
    this.#catchUp.wake();
  }

  async #guard(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#end({ kind: 'lost', error });
    }
  }

  #end(end: PartitionEnd): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    for (const track of this.#tracks.values()) track.drop();
    this.#onEnd(end);
  }
}
