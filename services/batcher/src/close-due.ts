import type { Track } from './track.ts';

/** A failing job is served apart after this time at the latest; before, its open batch may still grow. */
const DETACH_AFTER_FAILING_MS = 30_000;
/** Closing a batch takes up to a millisecond: 1,000 that are due at once would stop the process for a second. */
const CLOSES_A_TURN = 4;

/**
 * Closes what has become too old, and sets failing jobs apart. True: there may be more that is due, for another
 * turn of the event loop. What cannot be closed yet is not.
 */
export function closeDue(
  tracks: Iterable<Track>,
  now: { readonly monotonicMs: number; readonly wallMs: number },
  lookedAt: (track: Track) => number,
): boolean {
  // Behind the end of the log every record is old: there the time since arrival counts alone.
  const arrival = { ...now, wallMs: Number.NEGATIVE_INFINITY };
  let closed = 0;
  for (const track of tracks) {
    const isLive = track.lane === 'live';
    if (isLive && track.isHeldUp && track.open.health.failingForMs > DETACH_AFTER_FAILING_MS) {
      track.detach();
      continue;
    }
    const { batch, blocked, open } = track;
    if (!batch || blocked || batch.ageMs(isLive ? now : arrival) < open.limits.maxAgeMs) continue;
    if (track.close(lookedAt(track), 'age')) closed++;
    if (closed === CLOSES_A_TURN) return true;
  }
  return false;
}
