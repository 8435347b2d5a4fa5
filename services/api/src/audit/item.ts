import type { AuditBody, AuditEntry, AuditText } from '@trailpush/core';

import { timeText } from './time.ts';

/** A member of an item, and where its value lies in the entry. */
export type Member =
  | readonly [name: string, value: AuditText]
  | readonly [name: string, body: AuditBody, kind: 'body']
  | readonly [name: 'status_code', value: 'raw_status_code'];

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
  const action = [
    ...membersOf(entry, [
      ['description', 'action_description'],
      ['result', 'action_result'],
    ]),
    `"time":"${timeText(timeMicros)}"`,
    ...membersOf(entry, [['type', 'action_type']]),
  ];
  const of = `"id":${JSON.stringify(tenant.id)}`;
  const isAccount = tenant.kind === 'account';
  const owner = isAccount ? [of, ...membersOf(entry, [['name', 'account_name']])] : [of];
  const zone = isAccount ? membersOf(entry, ZONE) : [];
  const members = [
    `"id":${JSON.stringify(id)}`,
    `"${tenant.kind}":{${owner.join(',')}}`,
    `"action":{${action.join(',')}}`,
    `"actor":{${membersOf(entry, ACTOR).join(',')}}`,
    `"raw":{${membersOf(entry, RAW).join(',')}}`,
    `"resource":{${membersOf(entry, RESOURCE).join(',')}}`,
    ...(zone.length === 0 ? [] : [`"zone":{${zone.join(',')}}`]),
  ];
  return `{${members.join(',')}}`;
}

/** `"name":value` of those that the entry has. */
export function membersOf(entry: AuditEntry, members: readonly Member[]): string[] {
  return members.flatMap(([name, from, kind]) => {
    const value = entry[from];
    if (value === null) return [];
    return [`"${name}":${kind === 'body' ? String(value) : JSON.stringify(value)}`];
  });
}
