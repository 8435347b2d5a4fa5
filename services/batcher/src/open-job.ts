import type { Destination, Job, ObjectMaxima, ParsedDestination } from '@trailpush/core';
import type { BatchLimits } from './batch.ts';
import type { Content } from './content.ts';
import type { JobHealth } from './job-health.ts';

const DEFAULT_MAX_RECORDS = 100_000;
const DEFAULT_MAX_AGE_MS = 30_000;
/** Also an operator's ceiling: a larger `max_upload_bytes` has no effect. */
const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;

/** Where the objects of a job go, and under which names. */
export interface JobPlace extends ParsedDestination {
  /** Begins each of its idempotency keys; empty but for replays. */
  readonly idempotencyPrefix: string;
}

/** What it takes to serve a job. */
export interface Service {
  readonly content: Content;
  /** Parsed anew with each revision, so that a repaired credential frees a stuck plan. */
  readonly place: JobPlace;
  readonly destination: Destination;
}

/** A job as this process knows it. A new revision of the job gives a new one, with the same health. */
export interface OpenJob {
  readonly job: Job;
  readonly limits: BatchLimits;
  readonly health: JobHealth;
  /** Kind of its destination, for labels. */
  readonly kind: string;
  /**
   * Undefined while the job is disabled, or this process cannot serve it. Its place in the log is kept
   * all the same: else the live lane would leave it behind without a trace.
   */
  readonly service: Service | undefined;
}

/** A replay has a folder of its own below its destination's. */
export function placeOf({ id, replay }: Job, place: ParsedDestination): JobPlace {
  if (!replay) return { ...place, idempotencyPrefix: '' };
  const folder = `replay-${id}`;
  const { pathTemplate: path } = place;
  const pathTemplate = path === '' ? folder : `${path}/${folder}`;
  return { ...place, pathTemplate, idempotencyPrefix: `${folder}-` };
}

/** Limits of a job's batches; 0 means the default. `maxima` are those of its destination. */
export function batchLimits(job: Job, maxima?: ObjectMaxima): BatchLimits {
  const { maxUploadBytes, maxUploadRecords, maxUploadIntervalSeconds } = job.spec;
  return {
    maxBytes: Math.min(
      maxUploadBytes || MAX_PAYLOAD_BYTES,
      MAX_PAYLOAD_BYTES,
      maxima?.payloadBytes ?? Infinity,
    ),
    maxRecords: Math.min(maxUploadRecords || DEFAULT_MAX_RECORDS, maxima?.records ?? Infinity),
    maxAgeMs: maxUploadIntervalSeconds * 1000 || DEFAULT_MAX_AGE_MS,
  };
}
