import {
  messageOf,
  type Attempt,
  type AttemptResult,
  type Clock,
  type Logger,
  type ObjectToPut,
  type ProgressStore,
} from '@trailpush/core';
import { forgetJob, type Metrics } from '@trailpush/runtime';
import type { AttemptRecorder } from './attempt-recorder.ts';
import type { CloseReason } from './batch.ts';
import type { Disabling } from './disabling.ts';
import type { OpenJob } from './open-job.ts';
import type { UploadResult } from './uploads.ts';

/** A job that goes on failing says so in the store and the log this often. */
const REPEAT_FAILURE_AFTER_MS = 30_000;
/** Health code of Logpush for a fault of our own. */
const INTERNAL_ERROR = 1103;
/** Of each reason; the metric counts every one. */
const DEAD_LETTER_LINE_EVERY_MS = 1000;

/**
 * What the batcher tells: metrics, log lines, and the health of jobs. Per batch or attempt, never per
 * event; labels are bounded.
 */
export class Telemetry {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #progress: ProgressStore;
  readonly #attempts: AttemptRecorder;
  readonly #disabling: Disabling;
  /** By reason, of which there are few. */
  readonly #deadLetterQuietUntilMs = new Map<string, number>();
  /** When the last failure of a job was reported, and its words. */
  readonly #reported = new Map<number, { atMs: number; message: string }>();

  constructor(options: {
    metrics: Metrics;
    logger: Logger;
    clock: Clock;
    progress: ProgressStore;
    attempts: AttemptRecorder;
    disabling: Disabling;
  }) {
    this.#metrics = options.metrics;
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#progress = options.progress;
    this.#attempts = options.attempts;
    this.#disabling = options.disabling;
  }

  nullValue(): void {
    this.#metrics.reading.nullValues.inc();
  }

  deadLetter(
    reason: string,
    fields: { job?: number; partition: number; offset: number; message: string },
  ): void {
    this.#metrics.reading.deadLetters.inc({ reason });
    if (fields.job !== undefined) this.#reported.delete(fields.job);
    // A producer gone wrong writes thousands a second; all of them are stored.
    const nowMs = this.#clock.monotonic();
    if (nowMs < (this.#deadLetterQuietUntilMs.get(reason) ?? 0)) return;
    this.#deadLetterQuietUntilMs.set(reason, nowMs + DEAD_LETTER_LINE_EVERY_MS);
    this.#logger.error({ reason, ...fields }, 'a record was set aside as a dead letter');
  }

  gap(open: OpenJob, fields: { partition: number; from: number; to: number }): void {
    this.#metrics.job.gapEvents.inc(labelsOf(open), fields.to - fields.from);
    this.#logger.error(
      { job: open.job.id, ...fields },
      'the log lost offsets before the job had read them',
    );
    const { from, to, partition } = fields;
    this.#fail(
      open,
      `the log no longer holds offsets ${from} to ${to - 1} of partition ${partition}`,
    );
  }

  /** The job is not served, here or at all, until it is changed. */
  stopped(open: OpenJob, message: string): void {
    this.#logger.error({ job: open.job.id, error: message }, 'a job cannot be served as it is');
    this.#fail(open, message);
  }

  /** One attempt and its verdict. */
  attempted(open: OpenJob, object: ObjectToPut, result: UploadResult): void {
    const { job } = this.#metrics;
    const { kind } = result.verdict;
    this.#attempts.add(attemptOf(open, object, result, this.#clock.now()));
    job.attempts.inc({ ...labelsOf(open), verdict: kind });
    job.uploadDurationSeconds.observe({ destination_kind: open.kind }, result.tookMs / 1000);
    if (kind === 'delivered') return;
    const message = failureOf(result);
    this.#logger.warn(
      { ...fieldsOf(open, object), verdict: kind, error: message },
      'an attempt failed',
    );
    this.#fail(open, message, true);
  }

  /** An object whose delivery the destination has confirmed. */
  delivered(
    open: OpenJob,
    object: ObjectToPut,
    batch: { reason: CloseReason; payloadBytes: number },
  ): void {
    const { job } = this.#metrics;
    const labels = labelsOf(open);
    const { reason, payloadBytes } = batch;
    this.#reported.delete(open.job.id);
    job.batches.inc({ ...labels, result: 'delivered', reason });
    job.events.inc({ ...labels, result: 'delivered' }, object.metadata.records);
    job.bytes.inc({ ...labels, kind: 'raw' }, payloadBytes);
    job.bytes.inc({ ...labels, kind: 'wire' }, object.bodyBytes);
    job.lastSuccessTimestampSeconds.set(labels, this.#clock.now() / 1000);
    this.#logger.info({ ...fieldsOf(open, object), reason }, 'an object was delivered');
  }

  /** Nothing more is told of a job that was deleted. */
  forget(jobId: number): void {
    this.#reported.delete(jobId);
    forgetJob(this.#metrics, jobId).catch((error: unknown) => {
      this.#logger.warn({ job: jobId, error: messageOf(error) }, 'metrics of a job remain');
    });
  }

  /** `last_error` and `error_message` of the job; a success clears them. */
  #fail(open: OpenJob, message: string, isAttempt = false): void {
    const atMs = this.#clock.now();
    const last = this.#reported.get(open.job.id);
    if (last?.message === message && atMs - last.atMs < REPEAT_FAILURE_AFTER_MS) return;
    this.#reported.set(open.job.id, { atMs, message });
    this.#recordFailure(open, { atMs, message, isAttempt }).catch((error: unknown) => {
      // It is told again with the next failure.
      this.#reported.delete(open.job.id);
      const fields = { job: open.job.id, error: messageOf(error) };
      this.#logger.warn(fields, 'the failure of a job could not be stored');
    });
  }

  async #recordFailure(
    open: OpenJob,
    failure: { atMs: number; message: string; isAttempt: boolean },
  ): Promise<void> {
    const failingSinceMs = await this.#progress.recordFailure(open.job.id, failure);
    if (!failure.isAttempt || failingSinceMs === null) return;
    await this.#disabling.consider(open, { ...failure, failingSinceMs });
  }
}

function attemptOf(
  open: OpenJob,
  object: ObjectToPut,
  result: UploadResult,
  atMs: number,
): Attempt {
  const { partition, firstOffset, lastOffset, records } = object.metadata;
  const isDelivered = result.verdict.kind === 'delivered';
  return {
    ...{ jobId: open.job.id, atMs, tookMs: result.tookMs, verdict: result.verdict.kind },
    code: result.status ?? result.healthCode ?? (isDelivered ? null : INTERNAL_ERROR),
    message: isDelivered ? null : failureOf(result),
    ...{ records, wireBytes: object.bodyBytes, partition, firstOffset, lastOffset },
  };
}

function failureOf(result: AttemptResult): string {
  return result.message ?? 'the destination did not confirm';
}

function labelsOf(open: OpenJob): { job_id: string; destination_kind: string } {
  return { job_id: String(open.job.id), destination_kind: open.kind };
}

function fieldsOf(open: OpenJob, object: ObjectToPut) {
  const { partition, firstOffset, lastOffset, records } = object.metadata;
  return {
    job: open.job.id,
    partition,
    first: firstOffset,
    last: lastOffset,
    records,
    wireBytes: object.bodyBytes,
    key: object.key,
  };
}
