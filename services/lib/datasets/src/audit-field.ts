import type { FieldSpec } from '@trailpush/core';
import type { LeafPath } from './audit-leaves.ts';

/** Members of an object field: key in the line, leaf in the event. Absent members are left out. */
export type ObjectMembers = readonly (readonly [key: string, leaf: LeafPath])[];

/** One field of a dataset over audit events and where its value lies. */
export type AuditField = FieldSpec &
  (
    | { readonly type: 'string' | 'timestamp'; readonly leaf: LeafPath }
    | { readonly type: 'object'; readonly leaf: LeafPath }
    | { readonly type: 'object'; readonly members: ObjectMembers }
  );
