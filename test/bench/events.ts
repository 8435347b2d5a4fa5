import { EventSource } from '../kit/event-source.ts';

/** What a whole run is made of. */
export interface Load {
  readonly events: number;
  readonly accounts: number;
}

/** The same events for the same load, in whatever process. */
export function eventSource({ accounts }: Load): EventSource {
  return new EventSource({ seed: 7, accounts, spread: 'even', templates: 2000 });
}
