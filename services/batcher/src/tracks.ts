import type { CursorRow, LastRead, Plan } from '@trailpush/core';
import type { FencedProgress } from './fenced-progress.ts';
import type { OpenJob } from './open-job.ts';
import type { Shared } from './shared.ts';
import type { Routes } from './sweep.ts';
import { ReplayTrack } from './replay-track.ts';
import { routesOf } from './routes.ts';
import type { Lane, TrackOwner } from './track-owner.ts';
import { Track } from './track.ts';

/** What one pin stores, as far as it differs from what is stored. */
export interface Standing {
  readonly liveFrom: number;
  readonly lastRead: LastRead | null;
  /** Jobs that owe something of their own. */
  readonly cursors: readonly CursorRow[];
  /** Attached jobs that owe nothing below `liveFrom`. */
  readonly idle: readonly number[];
}

/** The jobs' tracks in one partition. */
export class Tracks implements Iterable<Track> {
  readonly #progress: FencedProgress;
  readonly #shared: Shared;
  readonly #owner: TrackOwner;
  readonly #tracks = new Map<number, Track>();
  #routes: ReadonlyMap<string, Track[]> = new Map();

  constructor(options: { progress: FencedProgress; shared: Shared; owner: TrackOwner }) {
    this.#progress = options.progress;
    this.#shared = options.shared;
    this.#owner = options.owner;
  }

  [Symbol.iterator](): Iterator<Track> {
    return this.#tracks.values();
  }

  /** All tracks by account. Taken anew for each read, since jobs come and go. */
  get routes(): Routes {
    return this.#routes;
  }

  /** Takes over what is stored: cursors, and the plans of all jobs. */
  restore(jobs: Iterable<OpenJob>, plans: readonly Plan[]): void {
    const plansOf = Map.groupBy(plans, ({ jobId }) => jobId);
    for (const open of jobs) {
      const track = this.#add(open);
      track?.restore(this.#progress.rows.get(open.job.id), plansOf.get(open.job.id) ?? []);
    }
    this.#reroute();
  }

  /**
   * The jobs as they are now; those that are not named any more were deleted. Returns what must still be
   * asked of the store: nobody serves a new job before it is loaded.
   */
  revise(jobs: ReadonlyMap<number, OpenJob>): Promise<void>[] {
    for (const [jobId, track] of this.#tracks) {
      if (jobs.has(jobId)) continue;
      track.drop();
      this.#tracks.delete(jobId);
      this.#progress.rows.delete(jobId);
    }
    const added: Track[] = [];
    const revised: Promise<void>[] = [];
    for (const [jobId, open] of jobs) {
      const track = this.#tracks.get(jobId);
      if (!track) {
        const newcomer = this.#add(open);
        if (newcomer) added.push(newcomer);
      } else if (track.open.job.contentRevision === open.job.contentRevision) {
        if (track.open !== open) this.#reviseTrack(track, open);
      } else {
        // Where another content takes effect depends on what is stored.
        const revise = () => this.#reviseTrack(track, open);
        revised.push(this.#progress.betweenWrites(revise));
      }
    }
    // Before anybody is attached: the live lane offers what it reads to whom it finds here.
    this.#reroute();
    return [...revised, ...added.map((track) => this.reload(track))];
  }

  /** Reads again what is stored of one job. */
  async reload(track: Track): Promise<void> {
    track.drop();
    await this.#progress.loadJob(track.jobId, (row, plans) => {
      if (this.#isCurrent(track)) track.restore(row, plans);
    });
  }

  /** Where everybody stands, with the live lane at `liveFrom`. */
  standing(at: Pick<Standing, 'liveFrom' | 'lastRead'>): Standing {
    const cursors: Standing['cursors'][number][] = [];
    const idle: number[] = [];
    for (const { known, jobId, owedFrom, lane } of this.#tracks.values()) {
      // Of a track that is being loaded only the store knows where it stands.
      if (!known) continue;
      if (owedFrom === undefined) idle.push(jobId);
      else cursors.push({ jobId, cursor: owedFrom, detached: lane !== 'live' });
    }
    return { ...at, cursors, idle };
  }

  /** Jobs by the lane that serves them. */
  count(lane: Lane): number {
    let count = 0;
    for (const track of this.#tracks.values()) if (track.lane === lane) count++;
    return count;
  }

  drop(): void {
    for (const track of this.#tracks.values()) track.drop();
  }

  #reviseTrack(track: Track, open: OpenJob): void {
    if (!this.#isCurrent(track)) return;
    track.revise(open);
    if (open.service) track.unpark();
    else track.park();
  }

  /** False when the job was deleted meanwhile: nothing of it may be started again. */
  #isCurrent(track: Track): boolean {
    return this.#tracks.get(track.jobId) === track;
  }

  /** Undefined for a replay that has nothing to do here. */
  #add(open: OpenJob): Track | undefined {
    const { topic, partition } = this.#progress.ownership;
    const { replay } = open.job;
    const range = replay?.ranges.find((of) => of.partition === partition);
    if (replay && (replay.topic !== topic || !range)) return undefined;
    const options = {
      open,
      progress: this.#progress,
      shared: this.#shared,
      owner: this.#owner,
    };
    const track = range ? new ReplayTrack(options, range) : new Track(options);
    this.#tracks.set(track.jobId, track);
    return track;
  }

  #reroute(): void {
    this.#routes = routesOf(this.#tracks.values());
  }
}
