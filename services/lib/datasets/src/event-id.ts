import { randomUUID } from 'node:crypto';
import type { Clock } from '@trailpush/core';

/** Ids for events that came without one: UUIDs of version 7, which sort by time. */
export function eventIds(clock: Pick<Clock, 'now'>): () => string {
  return () => {
    const time = clock.now().toString(16).padStart(12, '0');
    // Version 4 has its random bits and its variant in the same places.
    return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
  };
}
