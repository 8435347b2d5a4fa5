import {
  RevisionConflictError,
  type ChangeTrail,
  type Clock,
  type CursorRow,
  type DeadLetter,
  type DeadLetterStore,
  type Gap,
  type HealthStore,
  type Job,
  type JobSpec,
  type JobStatus,
  type JobStore,
  type LastRead,
  type LedgerEntry,
  type Outbox,
  type NewDeadLetter,
  type Plan,
  type ProgressStore,
  type Replay,
  type ReplayOrder,
  type ReplayStore,
  type TopicStore,
  type Start,
} from '@trailpush/core';
import { MemoryJobs } from './memory-jobs.ts';
import { MemoryOutbox } from './memory-outbox.ts';
import { MemoryDeadLetters } from './memory-dead-letters.ts';
import { MemoryHealth } from './memory-health.ts';
import { MemoryProgress } from './memory-progress.ts';
import { isSameRecord, plannedObject } from './memory-rows.ts';
import { endReplay, MemoryReplays } from './memory-replays.ts';
import { MemoryTopics } from './memory-topics.ts';
import { StoreFaults } from './store-faults.ts';

/** The most plans that a job may have open in one partition when it makes another; most of them split ones. */
export const MAX_OPEN_PLANS = 128;

interface StoredJob {
  job: Job;
  readonly revisions: { contentRevision: number; spec: JobSpec }[];
}

export interface StoredPartition {
  epoch: number;
  owner: string;
  liveFrom: number;
  lastRead: LastRead | null;
  readonly cursors: Map<number, CursorRow>;
  /** Open plans by job, in order of `first`. */
  readonly plans: Map<number, Plan[]>;
}

export interface StoreWatcher {
  /** Called before a plan is confirmed: the object must lie at its place by now. */
  readonly confirmed?: (plan: Plan) => void;
}

/** What is stored, shared by all processes. `open` gives one process its two ports. */
export class MemoryStores {
  readonly jobs = new Map<number, StoredJob>();
  readonly deleted = new Set<number>();
  readonly partitions = new Map<string, StoredPartition>();
  /** Incarnation by topic. */
  readonly incarnations = new Map<string, number>();
  readonly ledger: LedgerEntry[] = [];
  /** Place, key and payload hash of every plan that was ever stored: what a process that lags may put. */
  readonly planned = new Set<string>();
  /** When plans were marked that are still open. */
  readonly confirmedAt = new WeakMap<Plan, number>();
  /** Those that run are jobs as well. */
  readonly replays = new Map<number, Omit<Replay, 'errorMessage'>>();
  readonly gaps: Gap[] = [];
  /** Open plans that were cut: what was left of them may lie twice, since they may have arrived before. */
  readonly cuts: { jobId: number; partition: number; first: number; last: number }[] = [];
  readonly deadLetters: DeadLetter[] = [];
  /** Every rule that was broken; must be empty in the end. */
  readonly violations: string[] = [];
  /** Jobs that `loadAll` leaves out although nobody deleted them, for processes that knew one of them before. */
  readonly vanished = new Set<number>();
  readonly clock: Clock;
  readonly health: MemoryHealth;
  readonly watcher: StoreWatcher;
  readonly outbox: MemoryOutbox;
  #version = 0;
  #lastJobId = 0;
  readonly #watchers = new Set<() => void>();

  constructor(clock: Clock, watcher: StoreWatcher = {}) {
    this.clock = clock;
    this.health = new MemoryHealth(clock);
    this.watcher = watcher;
    this.outbox = new MemoryOutbox();
  }

  open(faults = new StoreFaults(this.clock)): {
    jobs: JobStore;
    progress: ProgressStore;
    replays: ReplayStore;
    topics: TopicStore;
    deadLetters: DeadLetterStore;
    jobHealth: HealthStore;
    outbox: Outbox;
  } {
    return {
      jobs: new MemoryJobs(this, faults),
      progress: new MemoryProgress(this, faults),
      replays: new MemoryReplays(this, faults),
      topics: new MemoryTopics(this),
      deadLetters: new MemoryDeadLetters(this),
      outbox: this.outbox.open(this.clock),
      jobHealth: this.health.open(faults, (jobId) => this.accountOf(jobId) ?? undefined),
    };
  }

  partition(topic: string, partition: number): StoredPartition | undefined {
    return this.partitions.get(`${topic}/${partition}`);
  }

  /** A rule that a batcher must keep. A store bears it when it does not, so only the tests hear of it. */
  mustHold(holds: boolean, rule: string): void {
    if (!holds) this.violations.push(rule);
  }

  /** A plan was stored, under a new name or with a new payload. */
  notePlan(plan: Plan): void {
    this.planned.add(plannedObject(plan));
  }

  endError(jobId: number): void {
    this.setStatus(jobId, { lastErrorMs: null, errorMessage: null });
    this.health.failingSince.delete(jobId);
  }

  noteGap(gap: Gap): void {
    this.gaps.push(gap);
    this.health.note('gap', { jobId: gap.jobId, accountId: this.accountOf(gap.jobId) }, gap.reason);
  }

  accountOf(jobId: number): string | null {
    return this.jobs.get(jobId)?.job.accountId ?? null;
  }

  setStatus(jobId: number, status: Partial<JobStatus>): void {
    const stored = this.jobs.get(jobId);
    if (stored) stored.job = { ...stored.job, status: { ...stored.job.status, ...status } };
  }

  saveDeadLetters(letters: readonly NewDeadLetter[]): number {
    const { deadLetters, clock } = this;
    for (const letter of letters) {
      if (deadLetters.some((known) => isSameRecord(known, letter))) continue;
      const id = deadLetters.length + 1;
      deadLetters.push({ ...letter, id, seenAtMs: clock.now(), resentAtMs: null });
      this.health.note('dead_letter', letter, letter.message);
    }
    return deadLetters.length;
  }

  /** True when (location, key) names another object than `own`, be it in a plan or in the ledger. */
  isTaken(plan: Plan, own = plan): boolean {
    const isOther = (other: { jobId: number; partition: number; first: number }) =>
      other.jobId !== own.jobId || other.partition !== own.partition || other.first !== own.first;
    const isNamesake = (other: { location: string; key: string }) =>
      other.location === plan.location && other.key === plan.key;
    for (const { plans } of this.partitions.values()) {
      for (const open of plans.values()) {
        if (open.some((other) => isNamesake(other) && isOther(other))) return true;
      }
    }
    return this.ledger.some(isNamesake);
  }

  toLedger(topic: string, plan: Plan): void {
    const { jobId, partition, first, last, location, key, payloadHash } = plan;
    const { records, payloadBytes, maxTimestampMs } = plan;
    const range = { jobId, topic, partition, first, last };
    const object = { location, key, payloadHash, records, payloadBytes, maxTimestampMs };
    const confirmedAtMs = this.confirmedAt.get(plan) ?? 0;
    this.ledger.push({ ...range, ...object, confirmedAtMs });
    const lastCompleteMs = this.jobs.get(jobId)?.job.status.lastCompleteMs ?? 0;
    this.setStatus(jobId, { lastCompleteMs: Math.max(lastCompleteMs, maxTimestampMs) });
  }

  get version(): number {
    return this.#version;
  }

  watch(onChange: () => void): () => void {
    const watcher = (): void => onChange();
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Tells the watchers, also without a change. */
  changed(): void {
    this.#version++;
    for (const onChange of this.#watchers) onChange();
  }

  create(
    accountId: string,
    spec: JobSpec,
    start: Start | undefined,
    { replay, trail }: { replay?: ReplayOrder; trail?: ChangeTrail | undefined } = {},
  ): Job {
    this.outbox.check(trail);
    const id = ++this.#lastJobId;
    const nowMs = this.clock.now();
    const job: Job = {
      id,
      accountId,
      revision: 1,
      contentRevision: 1,
      wasEnabled: spec.enabled || start !== undefined,
      ...(replay && { replay }),
      spec,
      status: { lastCompleteMs: null, lastErrorMs: null, errorMessage: null },
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    this.outbox.store(trail, { before: undefined, after: job });
    this.jobs.set(id, { job, revisions: [{ contentRevision: 1, spec }] });
    if (start) this.#insertStart(id, start);
    this.changed();
    return job;
  }

  update(id: number, change: Parameters<JobStore['update']>[2]): Job | undefined {
    const stored = this.jobs.get(id);
    if (!stored) return undefined;
    const { job } = stored;
    if (job.revision !== change.expectedRevision) {
      throw new RevisionConflictError(`job ${id} is at revision ${job.revision}`);
    }
    this.outbox.check(change.trail);
    const contentRevision = job.contentRevision + (change.contentChanged ? 1 : 0);
    stored.revisions.push({ contentRevision, spec: change.spec });
    if (change.start && !job.wasEnabled) this.#insertStart(id, change.start);
    stored.job = {
      ...job,
      revision: job.revision + 1,
      contentRevision,
      wasEnabled: job.wasEnabled || change.spec.enabled || change.start !== undefined,
      spec: change.spec,
      updatedAtMs: this.clock.now(),
    };
    this.health.failingSince.delete(id);
    const { disabledBecause: because } = change;
    if (because !== undefined) {
      this.setStatus(id, { lastErrorMs: this.clock.now(), errorMessage: because });
      this.health.note('job_disabled', { jobId: id, accountId: job.accountId }, because);
    }
    this.outbox.store(change.trail, { before: job, after: stored.job });
    this.changed();
    return stored.job;
  }

  delete(id: number, trail?: ChangeTrail): { droppedPlans: number } | undefined {
    for (const { job } of [...this.jobs.values()]) {
      if (job.replay?.ofJobId === id) endReplay(this, job.id, 'cancelled');
    }
    const before = this.jobs.get(id)?.job;
    if (before === undefined) return undefined;
    this.outbox.check(trail);
    this.outbox.store(trail, { before, after: undefined });
    this.jobs.delete(id);
    let droppedPlans = 0;
    for (const partition of this.partitions.values()) {
      droppedPlans += partition.plans.get(id)?.length ?? 0;
      partition.plans.delete(id);
      partition.cursors.delete(id);
    }
    this.deleted.add(id);
    this.changed();
    return { droppedPlans };
  }

  /** The partition's row; one of a partition that nobody has claimed yet belongs to nobody. */
  makePartition(topic: string, partition: number, liveFrom: number): StoredPartition {
    const key = `${topic}/${partition}`;
    const found = this.partitions.get(key);
    if (found) {
      // Start offsets of jobs can be stored before the partition was ever claimed.
      if (found.epoch === 0) found.liveFrom = liveFrom;
      return found;
    }
    const made: StoredPartition = {
      epoch: 0,
      owner: '',
      liveFrom,
      lastRead: null,
      cursors: new Map(),
      plans: new Map(),
    };
    this.partitions.set(key, made);
    return made;
  }

  #insertStart(jobId: number, { topic, offsets }: Start): void {
    for (const [partition, cursor] of offsets) {
      const known = this.partitions.get(`${topic}/${partition}`);
      const stored = known ?? this.makePartition(topic, partition, 0);
      if (!stored.cursors.has(jobId)) stored.cursors.set(jobId, { jobId, cursor, detached: true });
    }
  }
}
