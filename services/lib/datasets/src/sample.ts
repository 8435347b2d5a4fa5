import type { EventFilter } from '@trailpush/core';
import type { LoadedEvent } from './loaded-event.ts';

/** FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const HASHES = 2 ** 32;

/**
 * Lets through the events whose id hashes below `rate`. The choice is the same for every job, in every
 * process and version, so that a plan that is read again holds the same lines; a job with a lower rate
 * delivers a part of what one with a higher rate does.
 */
export function compileSample({ cursor }: LoadedEvent, slot: number, rate: number): EventFilter {
  const { starts, ends } = cursor;
  const limit = rate * HASHES;
  return () => hashOf(cursor.view, starts[slot] ?? 0, ends[slot] ?? 0) < limit;
}

function hashOf(view: DataView, start: number, end: number): number {
  let hash = FNV_BASIS;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), FNV_PRIME);
  // FNV alone leaves ids that differ in their last characters close together: the finalizer of MurmurHash3.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
