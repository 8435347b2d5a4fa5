import type { FieldSpec } from '@trailpush/core';

/** Member of an object field: key in the line, and where its value lies. Absent members are left out. */
export interface ObjectMember {
  readonly key: string;
  readonly slot: number;
  readonly isText: boolean;
}

/** A field of a dataset and where its value lies: the slot in the cursor of its reader. */
export type Field = FieldSpec &
  (
    | { readonly type: 'string' | 'int' | 'timestamp' | 'array' | 'object'; readonly slot: number }
    /** Lies there as text; true when that is `trueText`. */
    | { readonly type: 'bool'; readonly slot: number; readonly trueText: string }
    | { readonly type: 'object'; readonly members: readonly ObjectMember[] }
  );
