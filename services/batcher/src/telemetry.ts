import { StoreUnavailableError, type AttemptResult, type Clock, type Logger, type ObjectToPut, type ProgressStore } from '@trailpush/core';
import type { Metrics } from '@trailpush/runtime';
import type { Delivery } from './delivery.ts';
import type { OpenJob } from './open-job.ts';

/** A job that goes on failing says so in the store and the log this often. */
const REPEAT_FAILURE_AFTER_MS = 30_000;

/**
 * What the batcher tells: metrics, log lines, and the health of jobs. Per batch or attempt, never per
 * event; labels are bounded.
 */
export class Telemetry {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #progress: ProgressStore;
  /** When the last failure of a job was reported, and its words. */
  readonly #reported = new Map<number, { atMs: number; message: string }>();

  constructor(options: { metrics: Metrics; logger: Logger; clock: Clock; progress: ProgressStore }) {
    this.#metrics = options.metrics;
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#progress = options.progress;
  }

  nullValue(): void {
    this.#metrics.reading.nullValues.inc();
  }

  deadLetter(reason: string, fields: { partition: number; offset: number; message: string }): void {
    this.#metrics.reading.deadLetters.inc({ reason });
    this.#logger.error({ reason, ...fields }, 'a record was set aside as a dead letter');
  }

  gap(open: OpenJob, fields: { partition: number; from: number; to: number }): void {
    this.#metrics.job.gapEvents.inc(labels(open), fields.to - fields.from);
    this.#logger.error({ job: open.job.id, ...fields }, 'the log lost offsets before the job had read them');
    this.#fail(open, `the log no longer holds offsets ${fields.from} to ${fields.to - 1} of partition ${fields.partition}`);
  }

  stopped(open: OpenJob, message: string): void {
    this.#logger.error({ job: open.job.id, error: message }, 'the job is stopped in this partition until it is changed');
    this.#fail(open, message);
  }

  /** One attempt and its verdict. */
  attempted(open: OpenJob, delivery: Delivery, object: ObjectToPut, result: AttemptResult): void {
    const { job } = this.#metrics;
    job.attempts.inc({ ...labels(open), verdict: result.verdict.kind });
    const fields = {
      job: open.job.id,
      partition: object.metadata.partition,
      first: object.metadata.firstOffset,
      last: object.metadata.lastOffset,
      records: object.metadata.records,
      wireBytes: object.bodyBytes,
      key: object.key,
    };
    if (result.verdict.kind !== 'delivered') {
      const message = result.message ?? 'the destination did not confirm';
      this.#logger.warn({ ...fields, verdict: result.verdict.kind, error: message }, 'an attempt failed');
      this.#fail(open, message);
      return;
    }
    this.#reported.delete(open.job.id);
    job.batches.inc({ ...labels(open), result: 'delivered', reason: delivery.reason });
    job.events.inc({ ...labels(open), result: 'delivered' }, object.metadata.records);
    job.bytes.inc({ ...labels(open), kind: 'raw' }, delivery.plan?.payloadBytes ?? 0);
    job.bytes.inc({ ...labels(open), kind: 'wire' }, object.bodyBytes);
    job.lastSuccessTimestampSeconds.set(labels(open), this.#clock.now() / 1000);
    this.#logger.info({ ...fields, reason: delivery.reason }, 'an object was delivered');
  }

  attemptTook(open: OpenJob, seconds: number): void {
    this.#metrics.job.uploadDurationSeconds.observe({ destination_kind: open.place.kind }, seconds);
  }

  /** `last_error` and `error_message` of the job; a success clears them. */
  #fail(open: OpenJob, message: string): void {
    const atMs = this.#clock.now();
    const last = this.#reported.get(open.job.id);
    if (last?.message === message && atMs - last.atMs < REPEAT_FAILURE_AFTER_MS) return;
    this.#reported.set(open.job.id, { atMs, message });
    this.#progress.recordFailure(open.job.id, { atMs, message }).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailableError)) throw error;
      this.#logger.warn({ error: error.message }, 'the failure of a job could not be stored');
    });
  }
}

function labels(open: OpenJob): { job_id: string; destination_kind: string } {
  return { job_id: String(open.job.id), destination_kind: open.place.kind };
}
