/**
 * What one value of an item is:
 * - `identifier`: a text that keys and look-ups use;
 * - `time`: an RFC 3339 date-time;
 * - `json`: any JSON value, kept as text;
 * - `object`: members of its own.
 */
type ScalarKind = 'text' | 'identifier' | 'time' | 'integer' | 'json';

interface Place {
  /** The field of the event that it fills. */
  readonly name: string;
  /** As people write it: `actor.email`. */
  readonly path: string;
  /** One of 31 flags among its siblings, to notice a member that is given twice. */
  readonly bit: number;
}

export interface ScalarMember extends Place {
  readonly kind: ScalarKind;
}

export interface ObjectMember extends Place {
  readonly kind: 'object';
  /** By the names that lines may use; two spellings may lead to one member. */
  readonly members: ReadonlyMap<string, ItemMember>;
  /** The identifier without which the object says nothing. */
  readonly required: ItemMember | undefined;
}

export type ItemMember = ScalarMember | ObjectMember;

interface Shape {
  readonly [name: string]: ScalarKind | Shape;
}

/** The audit API's item, with `resource.value`, organizations and what records of version 1 add. */
const ITEM = {
  id: 'identifier',
  account: { id: 'identifier', name: 'text' },
  organization: { id: 'identifier', name: 'text' },
  action: { description: 'text', result: 'text', time: 'time', type: 'text' },
  actor: {
    context: 'text',
    email: 'text',
    id: 'text',
    ip_address: 'text',
    token_id: 'text',
    token_name: 'text',
    type: 'text',
  },
  raw: {
    cf_ray_id: 'text',
    method: 'text',
    status_code: 'integer',
    uri: 'text',
    user_agent: 'text',
  },
  resource: {
    id: 'text',
    product: 'text',
    request: 'json',
    response: 'json',
    scope: 'text',
    type: 'text',
    value: 'json',
  },
  zone: { id: 'text', name: 'text' },
  interface: 'text',
  owner: { id: 'identifier' },
  metadata: 'json',
  old_value: 'json',
  new_value: 'json',
} as const satisfies Shape;

/** Version 1 of the audit API writes these two in camel case. */
const OTHER_SPELLINGS = { oldValue: 'old_value', newValue: 'new_value' };

/** All that an item may hold. */
export const ITEM_MEMBERS = itemMembers();

function itemMembers(): ObjectMember {
  const members = new Map(membersOf('', ITEM));
  for (const [spelling, name] of Object.entries(OTHER_SPELLINGS)) {
    const member = members.get(name);
    if (member) members.set(spelling, member);
  }
  // An item without an id gets one.
  return { kind: 'object', name: '', path: '', bit: 0, members, required: undefined };
}

function membersOf(parent: string, shape: Shape): Map<string, ItemMember> {
  const entries = Object.entries(shape).map(([name, kind], index): [string, ItemMember] => {
    const path = parent === '' ? name : `${parent}.${name}`;
    const place = { name, path, bit: 1 << index };
    if (typeof kind === 'string') return [name, { ...place, kind }];
    const members = membersOf(path, kind);
    const required = [...members.values()].find((member) => member.kind === 'identifier');
    return [name, { ...place, kind: 'object', members, required }];
  });
  return new Map(entries);
}
