import type { AvroCursor } from './avro-cursor.ts';

/** The loaded record as filters and lines see it. */
export interface LoadedEvent {
  readonly cursor: AvroCursor;
  /** By slot: 1 when the body must be rewritten while it is copied. */
  readonly rewrites: Uint8Array;
}
