import { setImmediate } from 'node:timers/promises';

import type { AuditEntry } from '@trailpush/core';

import type { AuditEngine, NewEvent } from './engine.ts';
import { nameOf, type Tenants } from './tenants.ts';

/** Half a millisecond of work; then what else this process does, say what the database waits for, has its turn. */
const EVENTS_A_TURN = 25;

/** Entries as they are stored. */
export async function newEvents(
  engine: Pick<AuditEngine, 'eventMaker'>,
  tenants: Tenants,
  entries: readonly AuditEntry[],
): Promise<NewEvent[]> {
  const numbers = await tenants.take(entries.map(({ tenant }) => tenant));
  const makeEvent = engine.eventMaker();
  const events: NewEvent[] = [];
  for (const entry of entries) {
    events.push(makeEvent(entry, numbers.get(nameOf(entry.tenant)) ?? 0));
    if (events.length % EVENTS_A_TURN === 0) await setImmediate();
  }
  return events;
}
