/** Runs the seeds that it is asked for; the batcher's core is the one that it is told to load. */
import { parentPort, workerData } from 'node:worker_threads';
import { simulatePair } from './pair.ts';
import { scenarioOf } from './scenario.ts';
import type { CreateBatcher } from './sim-process.ts';
import { simulate, type Outcome } from './simulation.ts';

/** Given to the thread when it starts. */
export interface WorkerData {
  /** The module that makes batchers. */
  readonly batcherUrl: string;
}

export interface Request {
  readonly kind: 'run' | 'pair';
  readonly seeds: readonly number[];
}

// Every abort makes an error, and nobody looks at where it was made.
Error.stackTraceLimit = 0;
const { batcherUrl } = workerData as WorkerData;
const { createBatcher } = (await import(batcherUrl)) as { createBatcher: CreateBatcher };

parentPort?.on('message', ({ kind, seeds }: Request) => {
  void (async () => {
    const outcomes: Outcome[] = [];
    for (const seed of seeds) {
      const outcome =
        kind === 'pair'
          ? await simulatePair(seed, createBatcher)
          : await simulate(scenarioOf(seed), createBatcher);
      outcomes.push(outcome);
    }
    parentPort?.postMessage(outcomes);
  })();
});
