import type {
  AuditBody,
  AuditEntry,
  AuditText,
  LineMember,
  LineShape,
  Tenant,
} from '@trailpush/core';

import { timeText } from './time.ts';

/** A member of an item, and where its value lies in the entry. */
export type Member =
  | readonly [name: string, value: AuditText]
  | readonly [name: string, body: AuditBody, kind: 'body']
  | readonly [name: 'status_code', value: 'raw_status_code'];

const ACCOUNT: readonly Member[] = [['name', 'account_name']];
const BEFORE_TIME: readonly Member[] = [
  ['description', 'action_description'],
  ['result', 'action_result'],
];
const AFTER_TIME: readonly Member[] = [['type', 'action_type']];
const ACTOR: readonly Member[] = [
  ['context', 'actor_context'],
  ['email', 'actor_email'],
  ['id', 'actor_id'],
  ['ip_address', 'actor_ip_address'],
  ['token_id', 'actor_token_id'],
  ['token_name', 'actor_token_name'],
  ['type', 'actor_type'],
];
const RAW: readonly Member[] = [
  ['cf_ray_id', 'raw_cf_ray_id'],
  ['method', 'raw_method'],
  ['status_code', 'raw_status_code'],
  ['uri', 'raw_uri'],
  ['user_agent', 'raw_user_agent'],
];
const RESOURCE: readonly Member[] = [
  ['id', 'resource_id'],
  ['product', 'resource_product'],
  ['request', 'resource_request', 'body'],
  ['response', 'resource_response', 'body'],
  ['scope', 'resource_scope'],
  ['type', 'resource_type'],
  ['value', 'resource_value', 'body'],
];
const ZONE: readonly Member[] = [
  ['id', 'zone_id'],
  ['name', 'zone_name'],
];

/**
 * The event as an item of the query API (JSON text on one line): members without a value are left out,
 * bodies are the producer's own text. An item of an organization has `organization` in place of account
 * and zone.
 */
export function itemOf(entry: AuditEntry): string {
  const { tenant, id, timeMicros } = entry;
  const isAccount = tenant.kind === 'account';
  const owner = `"id":${JSON.stringify(tenant.id)}`;
  const name = isAccount ? textOf(entry, ACCOUNT, ',') : '';
  const before = textOf(entry, BEFORE_TIME);
  const action = `${before}${before === '' ? '' : ','}"time":"${timeText(timeMicros)}"`;
  const zone = isAccount ? textOf(entry, ZONE) : '';
  return (
    `{"id":${JSON.stringify(id)},"${tenant.kind}":{${owner}${name}}` +
    `,"action":{${action}${textOf(entry, AFTER_TIME, ',')}}` +
    `,"actor":{${textOf(entry, ACTOR)}},"raw":{${textOf(entry, RAW)}}` +
    `,"resource":{${textOf(entry, RESOURCE)}}${zone === '' ? '' : `,"zone":{${zone}}`}}`
  );
}

/** The line of an item, as `itemOf` writes it, for stores. */
export function itemShape({ kind, id }: Tenant): LineShape {
  const isAccount = kind === 'account';
  const owner: LineMember[] = [['id', { constant: id }], ...(isAccount ? ACCOUNT.map(plain) : [])];
  const action: LineMember[] = [
    ...BEFORE_TIME.map(plain),
    ['time', 'time'],
    ...AFTER_TIME.map(plain),
  ];
  const members: LineMember[] = [
    ['id', 'id'],
    [kind, { members: owner }],
    ['action', { members: action }],
    ['actor', { members: ACTOR.map(plain) }],
    ['raw', { members: RAW.map(plain) }],
    ['resource', { members: RESOURCE.map(plain) }],
    ...(isAccount ? ([['zone', { members: ZONE.map(plain), isOptional: true }]] as const) : []),
  ];
  return { line: { members }, lineOf: (entry) => `${itemOf(entry)}\n` };
}

function plain([name, value]: Member): LineMember {
  return [name, value];
}

/** Members with commas between them, and `first` before the first. Downloads are made of little else. */
function textOf(entry: AuditEntry, members: readonly Member[], first = ''): string {
  let text = '';
  let separator = first;
  for (const [name, from, kind] of members) {
    const value = entry[from];
    if (value === null) continue;
    text += `${separator}"${name}":${kind === 'body' ? String(value) : JSON.stringify(value)}`;
    separator = ',';
  }
  return text;
}

/** `"name":value` of those that the entry has. */
export function membersOf(entry: AuditEntry, members: readonly Member[]): string[] {
  return members.flatMap(([name, from, kind]) => {
    const value = entry[from];
    if (value === null) return [];
    return [`"${name}":${kind === 'body' ? String(value) : JSON.stringify(value)}`];
  });
}
