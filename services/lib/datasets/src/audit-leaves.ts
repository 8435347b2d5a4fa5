import type { LeafKind, SlotTable } from './avro-program.ts';

/**
 * The leaves of an audit event that any dataset uses, by their path in `schemas/avro/audit_event.avsc`.
 * A `body` is a text leaf that holds JSON and is checked by `load`.
 */
const LEAVES = {
  id: 'text',
  'account.id': 'text',
  'account.name': 'text',
  'organization.id': 'text',
  'action.description': 'text',
  'action.result': 'text',
  'action.time': 'micros',
  'action.type': 'text',
  'actor.context': 'text',
  'actor.email': 'text',
  'actor.id': 'text',
  'actor.ip_address': 'text',
  'actor.token_id': 'text',
  'actor.token_name': 'text',
  'actor.type': 'text',
  'raw.cf_ray_id': 'text',
  'raw.method': 'text',
  'raw.status_code': 'integer',
  'raw.uri': 'text',
  'raw.user_agent': 'text',
  'resource.id': 'text',
  'resource.product': 'text',
  'resource.request': 'body',
  'resource.response': 'body',
  'resource.scope': 'text',
  'resource.type': 'text',
  'resource.value': 'body',
  'zone.id': 'text',
  'zone.name': 'text',
  interface: 'text',
  'owner.id': 'text',
  metadata: 'body',
  old_value: 'body',
  new_value: 'body',
} as const satisfies Record<string, LeafKind | 'body'>;

export type LeafPath = keyof typeof LEAVES;

const PATHS = Object.keys(LEAVES) as LeafPath[];

/** Where the cursor keeps each leaf. */
export const SLOTS: SlotTable = new Map(
  PATHS.map((path, slot) => [path, { slot, kind: kindOf(path) }]),
);

/** The leaves that hold JSON. */
export const BODIES: readonly { readonly path: LeafPath; readonly slot: number }[] = PATHS.filter(
  (path) => LEAVES[path] === 'body',
).map((path) => ({ path, slot: slotOf(path) }));

/** The slot of a leaf in the cursor of a reader. */
export function slotOf(path: LeafPath): number {
  return PATHS.indexOf(path);
}

/** What a leaf holds, as far as reading it goes. */
export function kindOf(path: LeafPath): LeafKind {
  const kind = LEAVES[path];
  return kind === 'body' ? 'text' : kind;
}
