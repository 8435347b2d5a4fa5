import type { BatchFrame } from '@trailpush/core';
import { describe, expect, it } from 'vitest';
import { Batch, type BatchLimits } from './batch.ts';
import { compileFrame } from './frame.ts';
import { MemoryBudget } from './memory-budget.ts';

const LIMITS: BatchLimits = { maxBytes: 100, maxRecords: 3, maxAgeMs: 30_000 };
const LINE = Buffer.alloc(200, 'x');

function newBatch(frame: Partial<BatchFrame> = {}): Batch {
  const none = { prefix: '', delimiter: '', suffix: '', contentType: '', defusesLookups: false };
  return new Batch({
    budget: new MemoryBudget(1024 * 1024),
    gzipLevel: 1,
    frame: compileFrame({ ...none, ...frame }),
    firstOffset: 10,
    nowMs: 5_000,
  });
}

function append(batch: Batch, offset: number, bytes: number, timestampMs = 0): void {
  batch.append(LINE, bytes, { offset, timestampMs, key: null, value: null });
}

describe('a batch', () => {
  it('says which limit one more line would pass, and reaches each of them exactly', () => {
    const batch = newBatch();
    append(batch, 10, 40);
    expect(batch.wouldPass(LIMITS, 60)).toBeUndefined();
    expect(batch.wouldPass(LIMITS, 61)).toBe('bytes');
    append(batch, 11, 1);
    append(batch, 12, 1);
    expect(batch.wouldPass(LIMITS, 1)).toBe('records');
  });

  it('counts what stands around and between its lines', () => {
    const batch = newBatch({ prefix: '[[', delimiter: ', ', suffix: ']]]' });
    append(batch, 10, 40);
    expect(batch.wouldPass(LIMITS, 100 - 2 - 40 - 2 - 3)).toBeUndefined();
    expect(batch.wouldPass(LIMITS, 100 - 2 - 40 - 2 - 2)).toBe('bytes');
  });

  it('knows the first and last offset and the times of its lines', () => {
    const batch = newBatch();
    for (const [offset, timestampMs] of [
      [10, 700],
      [15, 300],
      [19, 900],
    ] as const) {
      append(batch, offset, 10, timestampMs);
    }
    expect(batch).toMatchObject({
      ...{ firstOffset: 10, lastOffset: 19, records: 3 },
      ...{ minTimestampMs: 300, maxTimestampMs: 900 },
    });
  });

  it('is as old as the longer of the times since it was opened and since its first event', () => {
    const batch = newBatch();
    append(batch, 10, 10, 100_000);
    expect(batch.ageMs({ monotonicMs: 9_000, wallMs: 101_000 })).toBe(4_000);
    expect(batch.ageMs({ monotonicMs: 9_000, wallMs: 160_000 })).toBe(60_000);
    expect(batch.ageMs({ monotonicMs: 9_000, wallMs: Number.NEGATIVE_INFINITY })).toBe(4_000);
  });
});
