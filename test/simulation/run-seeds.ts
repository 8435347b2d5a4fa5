import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Counts } from './counts.ts';
import type { Violation } from './facts.ts';
import type { Outcome } from './simulation.ts';
import type { Request, WorkerData } from './worker.ts';

/** Seeds that a worker runs between two reports. */
const CHUNK = 20;
export const BATCHER_URL = import.meta.resolve('@trailpush/batcher');

export interface Failure {
  readonly kind: Request['kind'];
  readonly seed: number;
  readonly violation: Violation;
}

/** What many runs add up to. */
export class Totals {
  readonly failures: Failure[] = [];
  readonly counts = new Counts();
  runs = 0;
  events = 0;
  steps = 0;
  virtualMs = 0;

  add(kind: Request['kind'], outcome: Outcome): void {
    this.runs++;
    this.events += outcome.events;
    this.steps += outcome.steps;
    this.virtualMs += outcome.virtualMs;
    this.counts.addAll(outcome.counts);
    const [violation] = outcome.violations;
    if (violation) this.failures.push({ kind, seed: outcome.seed, violation });
  }
}

/** Runs `count` seeds from `first` on in threads. Ends early after `maxFailures`. */
export async function runSeeds(options: {
  readonly kind: Request['kind'];
  readonly first: number;
  readonly count: number;
  readonly maxFailures: number;
  readonly batcherUrl?: string;
  readonly onProgress?: (totals: Totals) => void;
}): Promise<Totals> {
  const { kind, first, count, maxFailures, onProgress, batcherUrl = BATCHER_URL } = options;
  const totals = new Totals();
  let next = first;
  const take = (): readonly number[] => {
    const size = Math.min(CHUNK, first + count - next);
    if (size <= 0 || totals.failures.length >= maxFailures) return [];
    next += size;
    return Array.from({ length: size }, (_, index) => next - size + index);
  };
  const workers = Math.min(availableParallelism(), Math.ceil(count / CHUNK));
  await Promise.all(
    Array.from({ length: workers }, () =>
      work({ batcherUrl }, kind, take, (outcomes) => {
        for (const outcome of outcomes) totals.add(kind, outcome);
        onProgress?.(totals);
      }),
    ),
  );
  totals.failures.sort((a, b) => a.seed - b.seed);
  return totals;
}

/** One thread, fed until there is nothing left to take. */
async function work(
  workerData: WorkerData,
  kind: Request['kind'],
  take: () => readonly number[],
  onOutcomes: (outcomes: readonly Outcome[]) => void,
): Promise<void> {
  const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData });
  try {
    await new Promise<void>((resolve, reject) => {
      const feed = (): void => {
        const seeds = take();
        if (seeds.length === 0) resolve();
        else worker.postMessage({ kind, seeds } satisfies Request);
      };
      worker.on('error', reject);
      worker.on('message', (outcomes: readonly Outcome[]) => {
        onOutcomes(outcomes);
        feed();
      });
      feed();
    });
  } finally {
    await worker.terminate();
  }
}
