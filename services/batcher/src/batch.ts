import type { LogRecord } from '@trailpush/core';
import { PayloadBuilder, type PayloadOptions } from './payload.ts';

/** Maxima, never targets: a batch closes before it would pass one. The first record is exempt. */
export interface BatchLimits {
  /** Uncompressed. */
  readonly maxBytes: number;
  readonly maxRecords: number;
  readonly maxAgeMs: number;
}

/** Why a batch was closed; a label of the metrics. */
export type CloseReason = 'bytes' | 'records' | 'age' | 'memory' | 'retention' | 'plan' | 'end';

/** Open lines of one job in one partition. */
export class Batch {
  readonly payload: PayloadBuilder;
  /** Offset of the first line. */
  readonly firstOffset: number;
  /** Offset of the last line. */
  lastOffset: number;
  /** When the first line came in, on the monotonic clock. */
  readonly openedAtMs: number;
  records = 0;
  minTimestampMs = Number.POSITIVE_INFINITY;
  maxTimestampMs = Number.NEGATIVE_INFINITY;

  constructor(
    options: PayloadOptions & {
      readonly firstOffset: number;
      readonly nowMs: number;
    },
  ) {
    this.payload = new PayloadBuilder(options);
    this.firstOffset = options.firstOffset;
    this.lastOffset = options.firstOffset;
    this.openedAtMs = options.nowMs;
  }

  append(line: Buffer, length: number, { offset, timestampMs }: LogRecord): void {
    this.payload.append(line, length);
    this.records++;
    this.lastOffset = offset;
    if (timestampMs < this.minTimestampMs) this.minTimestampMs = timestampMs;
    if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
  }

  /** Which limit one more line of `length` bytes would pass; `acceptedBytes` is one of the receiver. */
  wouldPass(
    { maxBytes, maxRecords }: BatchLimits,
    length: number,
    acceptedBytes = maxBytes,
  ): CloseReason | undefined {
    if (this.records >= maxRecords) return 'records';
    return this.payload.bytesWith(length) > Math.min(maxBytes, acceptedBytes) ? 'bytes' : undefined;
  }

  /** The larger of the time since arrival and the time since broker time. */
  ageMs(now: { monotonicMs: number; wallMs: number }): number {
    return Math.max(now.monotonicMs - this.openedAtMs, now.wallMs - this.minTimestampMs);
  }
}
