import type { ConfirmPlanResult, InsertPlanResult } from '@trailpush/core';

interface NaivePlan {
  readonly first: number;
  readonly last: number;
  confirmed: boolean;
}

interface NaiveJob {
  cursor: number | undefined;
  open: NaivePlan[];
  /** Every plan that ever was, in order. */
  readonly all: NaivePlan[];
}

/** One partition as its contract says it, in memory, without a thought for speed or other threads. */
export class NaivePartition {
  liveFrom = 0;
  #epoch = 0;
  readonly #jobs: readonly NaiveJob[];

  constructor(jobs: number) {
    this.#jobs = Array.from({ length: jobs }, () => ({ cursor: undefined, open: [], all: [] }));
  }

  claim(): number {
    this.#epoch += 1;
    return this.#epoch;
  }

  tail(index: number): number {
    const { cursor, open } = this.#jobs[index]!;
    const last = open.at(-1)?.last;
    return last === undefined ? (cursor ?? this.liveFrom) : last + 1;
  }

  /** A place to pin: near the stored one, but never below it where there is no row to compare with. */
  pinnable(index: number, move: number): number {
    const { cursor } = this.#jobs[index]!;
    return Math.max(0, (cursor ?? this.liveFrom) + (cursor === undefined ? Math.abs(move) : move));
  }

  firstOf(index: number, planIndex: number): number {
    return this.#jobs[index]!.all.at(-1 - planIndex)?.first ?? 1_000_000;
  }

  firstUnconfirmed(index: number): number {
    return this.#jobs[index]!.all.find(({ confirmed }) => !confirmed)?.first ?? Infinity;
  }

  insert(epoch: number, index: number, first: number, last: number): InsertPlanResult {
    if (epoch !== this.#epoch) return 'stale';
    const job = this.#jobs[index]!;
    const tail = this.tail(index);
    const anywhere = job.cursor === undefined && job.open.length === 0;
    if (anywhere ? first < tail : first !== tail) return 'conflict';
    const plan = { first, last, confirmed: false };
    job.cursor ??= first;
    job.open.push(plan);
    job.all.push(plan);
    return 'inserted';
  }

  confirm(epoch: number, index: number, first: number): ConfirmPlanResult {
    if (epoch !== this.#epoch) return { result: 'stale' };
    const job = this.#jobs[index]!;
    const plan = job.all.find((candidate) => candidate.first === first);
    if (plan === undefined) return { result: 'conflict' };
    plan.confirmed = true;
    for (let head = job.open[0]; head?.confirmed === true; head = job.open[0]) {
      job.open.shift();
      job.cursor = head.last + 1;
    }
    return { result: 'confirmed', cursor: job.cursor ?? this.liveFrom };
  }

  pin(
    epoch: number,
    liveFrom: number,
    cursors: readonly { index: number; cursor: number }[],
    idle: readonly number[],
  ): boolean {
    if (epoch !== this.#epoch) return false;
    this.liveFrom = Math.max(this.liveFrom, liveFrom);
    for (const { index, cursor } of cursors) {
      const job = this.#jobs[index]!;
      if (job.open.length === 0) job.cursor = Math.max(job.cursor ?? 0, cursor);
    }
    for (const index of idle) {
      const job = this.#jobs[index]!;
      const behind = job.cursor !== undefined && job.cursor <= this.liveFrom;
      if (job.open.length === 0 && behind) job.cursor = undefined;
    }
    return true;
  }

  stateOf(index: number) {
    const { cursor, open } = this.#jobs[index]!;
    return {
      first: open.map((plan) => plan.first),
      last: open.map((plan) => plan.last),
      confirmed: open.map((plan) => plan.confirmed),
      cursor,
      liveFrom: this.liveFrom,
    };
  }
}
