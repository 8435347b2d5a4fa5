import type { Job } from '@trailpush/core';
import { describe, expect, it } from 'vitest';
import { batchLimits } from './open-job.ts';

function jobWith(maxUploadBytes: number, maxUploadRecords: number): Job {
  return { spec: { maxUploadBytes, maxUploadRecords, maxUploadIntervalSeconds: 0 } } as Job;
}

describe('the limits of a batch', () => {
  const maxima = { payloadBytes: 5_000_000, records: 1_000 };

  it('are the defaults for a job that names none', () => {
    expect(batchLimits(jobWith(0, 0))).toEqual({
      maxBytes: 64 * 1024 * 1024,
      maxRecords: 100_000,
      maxAgeMs: 30_000,
    });
  });

  it('are never more than the vendor takes', () => {
    expect(batchLimits(jobWith(0, 0), maxima)).toMatchObject({
      maxBytes: 5_000_000,
      maxRecords: 1_000,
    });
    expect(batchLimits(jobWith(100_000_000, 5_000), maxima)).toMatchObject({
      maxBytes: 5_000_000,
      maxRecords: 1_000,
    });
  });

  it('may be less', () => {
    expect(batchLimits(jobWith(1_000_000, 10), maxima)).toMatchObject({
      maxBytes: 1_000_000,
      maxRecords: 10,
    });
  });
});
