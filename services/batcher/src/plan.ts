import type { ClaimedPartition, Plan } from '@trailpush/core';
import { idempotencyKey, NAME_CHOICES, objectName } from './object-name.ts';
import type { JobPlace } from './open-job.ts';
import { ENCODER_VERSION } from './payload.ts';
import type { Shared } from './shared.ts';

/** Names have four digits for the year. */
const LAST_NAMEABLE_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/** What a plan says of its payload and range; all else of it follows. */
export type PlanContent = Pick<
  Plan,
  | 'jobId'
  | 'contentRevision'
  | 'first'
  | 'last'
  | 'payloadHash'
  | 'records'
  | 'payloadBytes'
  | 'minTimestampMs'
  | 'maxTimestampMs'
  | 'deadLetterId'
>;

/** What names depend on besides the plan itself. */
export interface PlanPlace {
  readonly ownership: ClaimedPartition;
  readonly place: JobPlace;
  readonly shared: Shared;
}

/** A plan under the `choice`-th of its names. */
export function makePlan(content: PlanContent, at: PlanPlace, choice: number): Plan {
  const { topic, partition, incarnation } = at.ownership;
  const digest = idempotencyKey({ ...content, topic, partition, incarnation });
  return {
    ...content,
    partition,
    ...addressOf({ ...content, partition }, at, choice),
    idempotencyKey: at.place.idempotencyPrefix + digest,
    encoderVersion: ENCODER_VERSION,
    confirmed: false,
  };
}

/** Where a plan's object is put, under the `choice`-th of its names. */
export function addressOf(
  plan: PlanContent & { readonly partition: number },
  { ownership, place, shared }: PlanPlace,
  choice: number,
): { location: string; key: string } {
  if (choice >= NAME_CHOICES) {
    throw new Error(`no free name for job ${plan.jobId} at offset ${plan.first}`);
  }
  const { topic, incarnation } = ownership;
  const minTimestampMs = nameable(plan.minTimestampMs);
  const maxTimestampMs = nameable(plan.maxTimestampMs);
  const parts = { ...plan, minTimestampMs, maxTimestampMs, topic, incarnation };
  return {
    location: place.location,
    key: shared.objectKey(place.pathTemplate, minTimestampMs, objectName(parts, choice)),
  };
}

/** A topic without LogAppendTime has the times that its producers write, which may be anything. */
function nameable(timestampMs: number): number {
  return Math.min(Math.max(timestampMs, 0), LAST_NAMEABLE_MS);
}
