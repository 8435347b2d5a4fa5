import type { LeafPath } from './audit-leaves.ts';
import { kindOf, slotOf } from './audit-leaves.ts';
import type { Field } from './field.ts';

/** Fields of datasets over audit events, by the leaf that they show. */

export function text(name: string, leaf: LeafPath, description: string): Field {
  return { name, type: 'string', slot: slotOf(leaf), description };
}

export function time(name: string, leaf: LeafPath, description: string): Field {
  return { name, type: 'timestamp', slot: slotOf(leaf), description };
}

/** The producer's own JSON. */
export function body(name: string, leaf: LeafPath, description: string): Field {
  return { name, type: 'object', slot: slotOf(leaf), description };
}

/** An object made of leaves. */
export function object(
  name: string,
  leaves: Readonly<Record<string, LeafPath>>,
  description: string,
): Field {
  const members = Object.entries(leaves).map(([key, leaf]) => ({
    key,
    slot: slotOf(leaf),
    isText: kindOf(leaf) === 'text',
  }));
  return { name, type: 'object', members, description };
}
