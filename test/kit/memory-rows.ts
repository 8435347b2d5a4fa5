import type { DeadLetter, NewDeadLetter, Plan } from '@trailpush/core';

/** When two stored things are one and the same. */
export function isSamePlan(stored: Plan, plan: Plan): boolean {
  return (
    isSameRange(stored, plan) &&
    stored.location === plan.location &&
    stored.key === plan.key &&
    stored.payloadHash === plan.payloadHash &&
    stored.encoderVersion === plan.encoderVersion
  );
}

export function isSameRange(stored: Plan, plan: Plan): boolean {
  return stored.last === plan.last && stored.contentRevision === plan.contentRevision;
}

export function isSameRecord(known: DeadLetter, letter: NewDeadLetter): boolean {
  return (
    known.topic === letter.topic &&
    known.partition === letter.partition &&
    known.offset === letter.offset &&
    known.jobId === letter.jobId
  );
}

/** What an object is to one of its plan. */
export function plannedObject(object: {
  location: string;
  key: string;
  payloadHash: string;
}): string {
  return [object.location, object.key, object.payloadHash].join('\n');
}
