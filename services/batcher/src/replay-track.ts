import {
  messageOf,
  StoreUnavailableError,
  type LogRecord,
  type ProgressStore,
  type ReplayRange,
} from '@trailpush/core';
import { Pace } from './pace.ts';
import type { Shared } from './shared.ts';
import type { Lane, TrackOptions } from './track-owner.ts';
import { Track } from './track.ts';

/**
 * A replay in one partition: a track that ends, is never attached, and may be held back to its pace. All
 * else about it is as for a job that is behind.
 */
export class ReplayTrack extends Track {
  readonly #end: number;
  readonly #pace: Pace | undefined;
  #isSettled = false;

  constructor(options: TrackOptions, range: ReplayRange) {
    super(options);
    this.#end = range.to;
    const perSecond = options.open.job.replay?.maxRecordsPerSecond;
    this.#pace = perSecond ? new Pace(options.shared.clock, perSecond) : undefined;
  }

  override get end(): number {
    return this.#end;
  }

  override get isDue(): boolean {
    return this.#pace?.isOpen ?? true;
  }

  override wants(lane: Lane, offset: number, isSetAside: boolean): boolean {
    return offset < this.#end && super.wants(lane, offset, isSetAside);
  }

  override take(record: LogRecord, line: Buffer, length: number): void {
    if (this.#pace?.pass() === false) this.pauseAt(record.offset);
    else super.take(record, line, length);
  }

  override handOver(): void {
    if (this.position >= this.#end && !this.close(this.#end - 1, 'end')) this.blocked = true;
  }

  /** Tells the store once that this partition is done; the last one to tell ends the replay. */
  async settle(store: ProgressStore): Promise<void> {
    const stored = this.progress.rows.get(this.jobId)?.cursor ?? 0;
    if (this.#isSettled || !this.known || stored < this.#end) return;
    await store.settleReplay(this.jobId);
    this.#isSettled = true;
  }

  protected override laneAt(): Lane {
    // Without a row the replay has just ended.
    return this.progress.rows.has(this.jobId) ? 'catch-up' : 'none';
  }
}

/** After a pin: ends the replays that it has completed. A store that is away is told by the next one. */
export async function settleReplays(tracks: Iterable<Track>, shared: Shared): Promise<void> {
  for (const track of [...tracks]) {
    if (!(track instanceof ReplayTrack)) continue;
    try {
      await track.settle(shared.progress);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      const fields = { replay: track.jobId, error: messageOf(error) };
      shared.logger.warn(fields, 'a replay cannot be ended yet, trying again');
      return;
    }
  }
}
