import {
  MAX_KEPT_ATTEMPTS,
  type Attempt,
  type Clock,
  type HealthStore,
  type Notice,
  type NoticeKind,
} from '@trailpush/core';
import type { StoreFaults } from './store-faults.ts';

const DAY_MS = 86_400_000;

interface StoredNotice {
  readonly day: number;
  tries: number;
  dueAtMs: number | null;
}

/** What is stored of the health of jobs, shared by all processes. */
export class MemoryHealth {
  /** Of all jobs, the oldest first. */
  attempts: Attempt[] = [];
  readonly notices: (Omit<Notice, 'tries'> & StoredNotice)[] = [];
  /** By job: the first attempt that failed since the last success. */
  readonly failingSince = new Map<number, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(kind: NoticeKind, at: { jobId: number | null; accountId: string | null }, message: string) {
    const createdAtMs = this.#clock.now();
    const day = Math.floor(createdAtMs / DAY_MS);
    const isKnown = this.notices.some(
      (of) => of.kind === kind && of.jobId === at.jobId && of.day === day,
    );
    if (isKnown) return;
    const id = this.notices.length + 1;
    const { jobId, accountId } = at;
    const notice = { id, kind, jobId, accountId, message, createdAtMs, tries: 0 };
    this.notices.push({ ...notice, day, dueAtMs: createdAtMs });
  }

  /** `accountOf` is undefined for jobs that are not there. */
  open(faults: StoreFaults, accountOf: (jobId: number) => string | undefined): HealthStore {
    return {
      recordAttempts: (attempts) =>
        faults.pass('recordAttempts', () => {
          const present = attempts.filter(({ jobId }) => accountOf(jobId) !== undefined);
          const byJob = Map.groupBy([...this.attempts, ...present], ({ jobId }) => jobId);
          this.attempts = [...byJob.values()].flatMap((of) => of.slice(-MAX_KEPT_ATTEMPTS));
        }),
      listAttempts: (accountId, jobId) =>
        faults.pass('listAttempts', () =>
          accountOf(jobId) === accountId
            ? this.attempts.filter((of) => of.jobId === jobId).toReversed()
            : [],
        ),
      takeNotices: (limit, leaseMs) =>
        faults.pass('takeNotices', () => {
          const nowMs = this.#clock.now();
          const due = this.notices.filter(({ dueAtMs }) => dueAtMs !== null && dueAtMs <= nowMs);
          return due.slice(0, limit).map((notice) => {
            notice.dueAtMs = nowMs + leaseMs;
            notice.tries++;
            const { id, kind, jobId, accountId, message, createdAtMs, tries } = notice;
            return { id, kind, jobId, accountId, message, createdAtMs, tries };
          });
        }),
      settleNotice: (id, retryAtMs) =>
        faults.pass('settleNotice', () => {
          const notice = this.notices.find((of) => of.id === id);
          if (notice) notice.dueAtMs = retryAtMs ?? null;
        }),
    };
  }
}
