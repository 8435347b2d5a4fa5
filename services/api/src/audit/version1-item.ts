import type { AuditBody, AuditEntry } from '@trailpush/core';

import { csvRow } from './csv.ts';
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
const COLUMNS: readonly (readonly [name: string, value: (entry: AuditEntry) => string])[] = [
  ['ActionResult', (entry) => String(isSuccess(entry))],
  ['ActionType', ({ action_type }) => action_type ?? ''],
  ['ActorEmail', ({ actor_email }) => actor_email ?? ''],
  ['ActorID', ({ actor_id }) => actor_id ?? ''],
  ['ActorIP', ({ actor_ip_address }) => actor_ip_address ?? ''],
  ['ActorType', ({ actor_type }) => actor_type ?? ''],
  ['ID', ({ id }) => id],
  ['Interface', (entry) => entry.interface ?? ''],
  ['Metadata', ({ metadata }) => metadata ?? '{}'],
  ['NewValue', ({ new_value }) => new_value ?? '{}'],
  ['OldValue', ({ old_value }) => old_value ?? '{}'],
  ['OwnerID', ({ owner_id }) => owner_id ?? ''],
  ['ResourceID', ({ resource_id }) => resource_id ?? ''],
  ['ResourceType', ({ resource_type }) => resource_type ?? ''],
  ['When', ({ timeMicros }) => timeText(timeMicros)],
];

export const CSV_HEADER = csvRow(COLUMNS.map(([name]) => name));

/** The event as a row of an export. */
export function csvRowOf(entry: AuditEntry): string {
  return csvRow(COLUMNS.map(([, value]) => value(entry)));
}
