import type { AuditBody, AuditEntry } from '@trailpush/core';

import { membersOf, type Member } from './item.ts';
import { timeText } from './time.ts';

const ACTOR: readonly Member[] = [
  ['email', 'actor_email'],
  ['id', 'actor_id'],
  ['ip', 'actor_ip_address'],
];
const RESOURCE: readonly Member[] = [
  ['id', 'resource_id'],
  ['type', 'resource_type'],
];

/** Version 1 has three types of actors. Accounts act through tokens of their users. */
const ACTOR_TYPES: ReadonlyMap<string | null, string> = new Map([
  ...['user', 'account'].map((type) => [type, 'user'] as const),
  ...['cloudflare_admin', 'admin'].map((type) => [type, 'admin'] as const),
  ...['system', 'delegated_service', 'Cloudflare'].map((type) => [type, 'Cloudflare'] as const),
]);

/**
 * The event as an item of version 1 (JSON text on one line), the same facts as a line of the dataset
 * `audit_logs`: texts without a value are left out. `newValue` and `oldValue` are texts; what is not a text
 * in the event is also there as it is, in `newValueJson` and `oldValueJson`.
 */
export function version1ItemOf(entry: AuditEntry): string {
  const type = ACTOR_TYPES.get(entry.actor_type);
  const actor = [
    ...membersOf(entry, ACTOR),
    ...(type === undefined ? [] : [`"type":${JSON.stringify(type)}`]),
  ];
  const action = [
    `"result":${String(isSuccess(entry))}`,
    ...membersOf(entry, [['type', 'action_type']]),
  ];
  const members = [
    `"id":${JSON.stringify(entry.id)}`,
    `"action":{${action.join(',')}}`,
    `"actor":{${actor.join(',')}}`,
    ...membersOf(entry, [['interface', 'interface']]),
    `"metadata":${entry.metadata ?? '{}'}`,
    ...valueOf(entry, 'newValue', 'new_value'),
    ...valueOf(entry, 'oldValue', 'old_value'),
    `"owner":{${membersOf(entry, [['id', 'owner_id']]).join(',')}}`,
    `"resource":{${membersOf(entry, RESOURCE).join(',')}}`,
    `"when":"${timeText(entry.timeMicros)}"`,
  ];
  return `{${members.join(',')}}`;
}

function isSuccess({ action_result: result }: AuditEntry): boolean {
  return result === 'success';
}

function valueOf(entry: AuditEntry, name: string, from: AuditBody): string[] {
  const json = entry[from];
  if (json === null) return [];
  if (/^\s*"/.test(json)) return [`"${name}":${json}`];
  return [`"${name}":${JSON.stringify(json)}`, `"${name}Json":${json}`];
}

/** The columns of an export: the fields of the dataset `audit_logs`. */
const COLUMNS: readonly (readonly [name: string, valueOf: (entry: AuditEntry) => string])[] = [
  ['ActionResult', (entry) => String(isSuccess(entry))],
  ['ActionType', ({ action_type }) => quoted(action_type ?? '')],
  ['ActorEmail', ({ actor_email }) => quoted(actor_email ?? '')],
  ['ActorID', ({ actor_id }) => quoted(actor_id ?? '')],
  ['ActorIP', ({ actor_ip_address }) => quoted(actor_ip_address ?? '')],
  ['ActorType', ({ actor_type }) => quoted(actor_type ?? '')],
  ['ID', ({ id }) => quoted(id)],
  ['Interface', (entry) => quoted(entry.interface ?? '')],
  ['Metadata', ({ metadata }) => quoted(metadata ?? '{}')],
  ['NewValue', ({ new_value }) => quoted(new_value ?? '{}')],
  ['OldValue', ({ old_value }) => quoted(old_value ?? '{}')],
  ['OwnerID', ({ owner_id }) => quoted(owner_id ?? '')],
  ['ResourceID', ({ resource_id }) => quoted(resource_id ?? '')],
  ['ResourceType', ({ resource_type }) => quoted(resource_type ?? '')],
  ['When', ({ timeMicros }) => quoted(timeText(timeMicros))],
];

export const CSV_HEADER = `${COLUMNS.map(([name]) => name).join(',')}\n`;

/** The event as a line of CSV (RFC 4180), like one of a job with `output_type` csv. */
export function csvLineOf(entry: AuditEntry): string {
  return `${COLUMNS.map(([, value]) => value(entry)).join(',')}\n`;
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
