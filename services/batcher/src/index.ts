import { randomUUID } from 'node:crypto';
import type {
  Clock,
  Dataset,
  HealthStore,
  JobStore,
  Logger,
  ProgressStore,
  RecordLog,
} from '@trailpush/core';
import type { Metrics } from '@trailpush/runtime';
import { AttemptRecorder } from './attempt-recorder.ts';
import { Batcher } from './batcher.ts';
import { ContentCompiler } from './content.ts';
import { Disabling } from './disabling.ts';
import { JobSet, type OpenDestination } from './job-set.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { Shared } from './shared.ts';
import { Telemetry } from './telemetry.ts';
import { Uploads } from './uploads.ts';

export { Batcher, GROUP_ID } from './batcher.ts';
export { DigestWriter, type DigestTarget } from './digest-writer.ts';
export { Notifier } from './notifier.ts';
export type { OpenDestination } from './job-set.ts';

export interface BatcherOptions {
  readonly log: RecordLog;
  readonly jobs: JobStore;
  readonly progress: ProgressStore;
  readonly jobHealth: HealthStore;
  /** Jobs whose attempts have all failed for so long are disabled; 0: never. */
  readonly disableAfterMs: number;
  readonly datasets: ReadonlyMap<string, Dataset>;
  readonly openDestination: OpenDestination;
  readonly objectKey: Shared['objectKey'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly memoryBudgetBytes: number;
  readonly maxRecordBytes: number;
  /** 1 to 9. */
  readonly gzipLevel: number;
  /** Uniform in [0, 1), for the jitter of back-off. */
  readonly random: () => number;
}

/** Puts a batcher together; `start` makes it run. */
export function createBatcher(options: BatcherOptions): Batcher {
  const { clock, logger, metrics, progress } = options;
  const contents = new ContentCompiler(options.datasets);
  const attempts = new AttemptRecorder(options.jobHealth, logger);
  const { jobs: store, disableAfterMs: afterMs } = options;
  const disabling = new Disabling({ jobs: store, logger, clock, afterMs });
  const telemetry = new Telemetry({ metrics, logger, clock, progress, attempts, disabling });
  const shared: Shared = {
    log: options.log,
    jobs: options.jobs,
    progress,
    clock,
    logger,
    budget: new MemoryBudget(options.memoryBudgetBytes),
    uploads: new Uploads(clock),
    contents,
    telemetry,
    owner: randomUUID(),
    gzipLevel: options.gzipLevel,
    maxRecordBytes: options.maxRecordBytes,
    objectKey: options.objectKey,
  };
  const jobs = new JobSet({
    store: options.jobs,
    contents,
    openDestination: options.openDestination,
    clock,
    logger,
    random: options.random,
    onUnservable: (open, message) => telemetry.stopped(open, message),
  });
  return new Batcher({ shared, jobs, metrics, attempts });
}
