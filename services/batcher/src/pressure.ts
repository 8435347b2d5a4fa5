import type { MemoryBudget } from './memory-budget.ts';
import type { Track } from './track.ts';

/**
 * What gives way when the budget runs short, in this order: jobs that fail (their batches and bodies can
 * be read again), batches for which no plan is free, then the largest open batches, which are closed
 * early until enough is on its way out. Only when that is not enough do lanes wait: what is held then is
 * being sent. Nothing is ever dropped that the log does not still hold under a cursor or a plan.
 *
 * `closeEarly` closes the batch of one track, which has a plan free.
 */
export function relievePressure(
  tracks: readonly Track[],
  budget: MemoryBudget,
  closeEarly: (track: Track) => void,
): void {
  for (const track of tracks) {
    if (!track.open.health.failing) continue;
    // Whoever lacks a witness reads on for one.
    if (track.isHeldUp && (track.lane === 'live' || track.batch)) track.detach();
    for (const delivery of track.deliveries) delivery.dropBody();
  }
  if (!budget.underPressure) return;
  for (const track of tracks) if (track.isFull) track.detachUntilDone();
  const open = tracks.filter((track) => track.batch !== undefined);
  open.sort((a, b) => heldBytes(b) - heldBytes(a));
  for (const track of open) {
    if (budget.excessBytes <= 0) return;
    closeEarly(track);
  }
}

function heldBytes(track: Track): number {
  return track.batch?.payload.heldBytes ?? 0;
}
