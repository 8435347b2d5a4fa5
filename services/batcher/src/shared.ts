import type { Clock, JobStore, Logger, ProgressStore, RecordLog } from '@trailpush/core';
import type { ContentCompiler } from './content.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { Telemetry } from './telemetry.ts';
import type { Uploads } from './uploads.ts';

/** What all partitions of the process share. */
export interface Shared {
  readonly log: RecordLog;
  readonly jobs: JobStore;
  readonly progress: ProgressStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly budget: MemoryBudget;
  readonly uploads: Uploads;
  readonly contents: ContentCompiler;
  readonly telemetry: Telemetry;
  /** Names this process among owners of partitions; another one with every start. */
  readonly owner: string;
  readonly gzipLevel: number;
  readonly maxRecordBytes: number;
  /** Whole key of an object from the folder of its job, macros expanded, and its name. */
  readonly objectKey: (pathTemplate: string, minTimestampMs: number, name: string) => string;
}
