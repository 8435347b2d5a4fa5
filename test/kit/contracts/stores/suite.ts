import { randomBytes } from 'node:crypto';

import {
  Secret,
  type ClaimedPartition,
  type Clock,
  type Job,
  type JobSpec,
  type Plan,
} from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import type { Stores } from '@trailpush/stores';
import { afterAll, beforeAll } from 'vitest';

/** One database that begins empty. */
export interface StoresPlace {
  /** Several may be open at a time. */
  open(options: { secretKey: Buffer; clock: Clock }): Promise<Stores>;
  /** Every byte that is stored, or every value as text. */
  contents(): Promise<Buffer>;
  /** Every handle was closed before. */
  remove(): Promise<void>;
}

export interface StoresHarness {
  create(): Promise<StoresPlace>;
}

export const SECRET_KEY = randomBytes(32);

/** One database for all tests: each uses accounts and topics of its own. */
export interface Suite {
  readonly harness: StoresHarness;
  readonly place: () => StoresPlace;
  readonly stores: () => Stores;
}

export function createSuite(harness: StoresHarness): Suite {
  let place: StoresPlace | undefined;
  let stores: Stores | undefined;
  beforeAll(async () => {
    place = await harness.create();
    stores = await place.open({ secretKey: SECRET_KEY, clock: systemClock });
  });
  afterAll(async () => {
    await stores?.close();
    await place?.remove();
  });
  return { harness, place: () => place!, stores: () => stores! };
}

let names = 0;

/** A name that no other test uses. */
export function newName(kind: string): string {
  names += 1;
  return `${kind}-${names}`;
}

export function specOf(changes: Partial<JobSpec> = {}): JobSpec {
  return {
    name: 'to the archive',
    dataset: 'audit_logs_v2',
    enabled: true,
    destinationConf: new Secret('s3://bucket/logs?region=eu-west-1&secret-access-key=abc'),
    filter: '{"where":{"key":"ActionType","operator":"eq","value":"update"}}',
    outputOptions: '{"timestamp_format":"rfc3339"}',
    maxUploadBytes: 5_000_000,
    maxUploadRecords: 1000,
    maxUploadIntervalSeconds: 60,
    frequency: 'high',
    kind: '',
    logpullOptions: null,
    ...changes,
  };
}

/** A job without cursors. */
export async function newJob(suite: Suite, changes: Partial<JobSpec> = {}): Promise<Job> {
  return suite.stores().jobs.create(newName('account'), specOf(changes), undefined);
}

export async function newClaim(
  suite: Suite,
  changes: Partial<{ topic: string; partition: number; owner: string; logStart: number }> = {},
): Promise<ClaimedPartition> {
  return suite.stores().progress.claim({
    topic: newName('topic'),
    partition: 0,
    owner: 'a',
    heldEpoch: undefined,
    logStart: 0,
    ...changes,
  });
}

/** A plan for all of `first` to `last`, under a name of its own. */
export function planOf(job: Job, first: number, last: number, changes: Partial<Plan> = {}): Plan {
  return {
    jobId: job.id,
    partition: 0,
    first,
    last,
    contentRevision: 1,
    location: 's3://bucket/logs',
    key: newName('key'),
    idempotencyKey: newName('idempotency'),
    payloadHash: 'ab'.repeat(32),
    encoderVersion: 1,
    records: last - first + 1,
    payloadBytes: 1000,
    minTimestampMs: 1_000_000 + first,
    maxTimestampMs: 1_000_000 + last,
    deadLetterId: 0,
    confirmed: false,
    ...changes,
  };
}

export function cursorOf(job: Job, cursor: number, detached = false) {
  return { jobId: job.id, cursor, detached };
}
