import type { Metrics } from '@trailpush/runtime';
import type { Claims } from './claims.ts';
import type { JobSet } from './job-set.ts';
import type { OpenJob } from './open-job.ts';
import type { Partition } from './partition.ts';
import type { Shared } from './shared.ts';
import type { Track } from './track.ts';

/** The states of `trailpush_job_state`; a job is in one at a time. */
const STATES = ['delivering', 'catching_up', 'failing', 'stopped', 'disabled'] as const;
type State = (typeof STATES)[number];

interface Standing {
  lagEvents: number;
  oldestMs: number;
  isBehind: boolean;
  /** Served by no lane of a partition, although it should be. */
  isStopped: boolean;
}

/** Gauges that are looked up now and then, as far as other parts do not keep them themselves. */
export class Gauges {
  readonly #metrics: Metrics;
  readonly #shared: Shared;
  readonly #jobs: JobSet;
  readonly #claims: Claims;
  /** Under which kind a job's gauges were set. */
  readonly #kinds = new Map<number, string>();

  constructor(options: { metrics: Metrics; shared: Shared; jobs: JobSet; claims: Claims }) {
    this.#metrics = options.metrics;
    this.#shared = options.shared;
    this.#jobs = options.jobs;
    this.#claims = options.claims;
  }

  /** Of the process; costs little. */
  observe(): void {
    const { reading } = this.#metrics;
    const { budget } = this.#shared;
    reading.inflightBytes.set(budget.heldBytes);
    reading.pausedPartitions.set(budget.waiting);
    reading.configAgeSeconds.set(this.#jobs.ageMs / 1000);
    reading.configJobCount.set(this.#jobs.jobs.size);
    for (const [number, { live }] of this.#claims.served) {
      const lag = Math.max(0, live.logEnd - live.position);
      reading.partitionLagRecords.set({ partition: String(number) }, lag);
    }
  }

  /** Of each job; costs a look at each job in each partition. */
  observeJobs(): void {
    const standings = new Map<number, Standing>();
    let attached = 0;
    let detached = 0;
    for (const partition of this.#claims.served.values()) {
      attached += partition.tracks.count('live');
      detached += partition.tracks.count('catch-up');
      for (const track of partition.tracks) addTo(standings, track, partition.live);
    }
    this.#metrics.reading.attachedJobs.set(attached);
    this.#metrics.reading.detachedJobs.set(detached);
    for (const open of this.#jobs.jobs.values()) this.#observeJob(open, standings);
    for (const jobId of this.#kinds.keys()) {
      if (!this.#jobs.jobs.has(jobId)) this.#kinds.delete(jobId);
    }
  }

  #observeJob(open: OpenJob, standings: ReadonlyMap<number, Standing>): void {
    const { job } = this.#metrics;
    const { id } = open.job;
    const labels = { job_id: String(id), destination_kind: open.kind };
    const before = this.#kinds.get(id);
    if (before !== undefined && before !== open.kind) {
      const old = { ...labels, destination_kind: before };
      job.lagEvents.remove(old);
      job.oldestUndeliveredSeconds.remove(old);
      for (const state of STATES) job.state.remove({ ...old, state });
    }
    this.#kinds.set(id, open.kind);
    const standing = standings.get(id);
    const ageMs = standing ? Math.max(0, this.#shared.clock.now() - standing.oldestMs) : 0;
    job.lagEvents.set(labels, standing?.lagEvents ?? 0);
    // A job that is paused on purpose is late on purpose.
    job.oldestUndeliveredSeconds.set(labels, open.job.spec.enabled ? ageMs / 1000 : 0);
    const now = stateOf(open, standing);
    for (const state of STATES) job.state.set({ ...labels, state }, state === now ? 1 : 0);
  }
}

function stateOf(open: OpenJob, standing: Standing | undefined): State {
  if (!open.job.spec.enabled) return 'disabled';
  if (!open.service || standing?.isStopped === true) return 'stopped';
  if (open.health.failing) return 'failing';
  return standing?.isBehind === true ? 'catching_up' : 'delivering';
}

/** Adds what a track owes to what its job owes elsewhere. */
function addTo(standings: Map<number, Standing>, track: Track, live: Partition['live']): void {
  // A replay is as late as somebody wanted it to be.
  if (!track.known || track.open.job.replay) return;
  const lagEvents = Math.max(0, live.logEnd - (track.owedFrom ?? live.position));
  if (lagEvents === 0) return;
  const oldestMs = oldestOf(track, live);
  const isBehind = track.lane === 'catch-up';
  const isStopped = track.lane === 'none';
  const standing = standings.get(track.jobId);
  if (!standing) {
    standings.set(track.jobId, { lagEvents, oldestMs, isBehind, isStopped });
    return;
  }
  standing.lagEvents += lagEvents;
  standing.oldestMs = Math.min(standing.oldestMs, oldestMs);
  standing.isBehind ||= isBehind;
  standing.isStopped ||= isStopped;
}

/** Broker time of the oldest record that the track owes, or of one just before it. */
function oldestOf(track: Track, live: Partition['live']): number {
  const [head] = track.deliveries;
  if (head) return head.minTimestampMs;
  if (track.batch) return track.batch.minTimestampMs;
  const isRead = track.lane === 'live' || track.readUpToMs === undefined;
  return (isRead ? live.lastRead?.timestampMs : track.readUpToMs) ?? Number.POSITIVE_INFINITY;
}
