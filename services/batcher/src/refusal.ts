import type { AttemptResult } from '@trailpush/core';
import type { Delivery } from './delivery.ts';
import type { Track } from './track.ts';

/** Batches of one job and partition that may be under way at once. */
const MAX_OPEN_PLANS = 4;
/**
 * With so many plans to deliver in one partition, only the first one of a job is split. A receiver that refuses
 * everything would otherwise have every plan divided down to its records.
 */
export const MAX_SPLIT_PLANS = 32;

/** What is done to a plan before it is tried again: in the catch-up lane, which reads its records again. */
export type Remedy = 'split' | 'set_aside';

/** True when no other batch may be closed: as a rule four are open at a time. */
export function isOutOfPlans(track: Track): boolean {
  return track.deliveries.length >= MAX_OPEN_PLANS && !lacksWitness(track);
}

/**
 * True when all that is open was refused as such, or lost behind what was: another batch must show whether
 * anything passes.
 */
export function lacksWitness(track: Track): boolean {
  const { open, deliveries } = track;
  const { wantsWitness, passes } = open.health;
  if (!wantsWitness || isCrowded(deliveries)) return false;
  return deliveries.every(
    (of) => of.confirmed || of.refusedAfter === passes || of.isLostBehind(track),
  );
}

function isCrowded(deliveries: readonly Delivery[]): boolean {
  return deliveries.filter(({ confirmed }) => !confirmed).length >= MAX_SPLIT_PLANS;
}

/** After a refusal: where nothing is left to compare with, reading goes on. */
export function seekWitness(track: Track): void {
  if (!lacksWitness(track)) return;
  if (track.blocked) track.blocked = !track.close(track.position - 1, 'bytes');
  track.wakeLane();
}

/**
 * What to do about a body that was refused as such (413, 400, 422). A plan of several records is split,
 * so that its halves show whether others pass. A record that is refused alone is set aside only if, after
 * it was refused first (in whatever company), another object of its job has passed, less than a minute
 * ago: else it is the receiver that takes nothing, and a person must act. Undefined: try it again as it is.
 */
export function remedyOf(
  { verdict, message }: AttemptResult,
  delivery: Delivery,
  track: Track,
): Remedy | undefined {
  const { plan } = delivery;
  const { health } = track.open;
  if (!plan || (verdict.kind !== 'too_large' && verdict.kind !== 'rejected')) return undefined;
  const isHead = track.deliveries[0] === delivery;
  delivery.refusedAfter = health.passes;
  delivery.firstRefusedAfter ??= health.passes;
  if (plan.records > 1) {
    if (verdict.kind === 'too_large') health.tooLarge(plan.payloadBytes);
    return isHead || !isCrowded(track.deliveries) ? 'split' : undefined;
  }
  delivery.refusal = message ?? 'the destination refused it';
  health.wantWitness();
  // Only at its head can the line move on.
  if (!isHead) return undefined;
  return health.hasPassedSince(delivery.firstRefusedAfter) ? 'set_aside' : undefined;
}
