import type { FencedProgress } from './fenced-progress.ts';
import type { OpenJob } from './open-job.ts';
import type { Shared } from './shared.ts';
import type { Track } from './track.ts';

/** Who serves the job here; `none` while it is not served, or not yet known how far it is. */
export type Lane = 'live' | 'catch-up' | 'none';

export interface TrackOptions {
  readonly open: OpenJob;
  readonly progress: FencedProgress;
  readonly shared: Shared;
  readonly owner: TrackOwner;
}

/** What a track tells its partition. */
export interface TrackOwner {
  /** Everything below was offered to all attached tracks. */
  livePosition(): number;
  /** Up to here the live lane is looking right now: from here on a track may join it. */
  liveHorizon(): number;
  /** The catch-up lane has something to do. */
  wakeCatchUp(): void;
  /** What is stored differs from what this track believes, or its delivery broke. */
  deliveryEnded(track: Track, error: unknown): void;
}
