import type { AuditBody, AuditEntry, AuditText, Tenant } from '@trailpush/core';

import { timeText } from './time.ts';

const COMMON = [
  ...(['action_type', 'action_result', 'action_description', 'actor_context'] as const),
  ...(['actor_email', 'actor_id', 'actor_ip_address', 'actor_token_id'] as const),
  ...(['actor_token_name', 'actor_type', 'raw_cf_ray_id', 'raw_method'] as const),
  ...(['raw_status_code', 'raw_uri', 'raw_user_agent', 'resource_id'] as const),
  ...(['resource_product', 'resource_request', 'resource_response', 'resource_scope'] as const),
  ...(['resource_type', 'resource_value'] as const),
] as const;
type Column = AuditText | AuditBody | 'raw_status_code';

const COLUMNS: Readonly<Record<Tenant['kind'], readonly Column[]>> = {
  account: ['account_name', ...COMMON, 'zone_id', 'zone_name'],
  organization: COMMON,
};

/** What spreadsheets take for the beginning of a formula. */
const FORMULA = /^[=+\-@\t\r\n]/;
const SPECIAL = /[",\r\n]/;

/** The header row of a download; columns are named as filters are. */
export function csvHeader(kind: Tenant['kind']): string {
  return csvRow(['id', 'time', `${kind}_id`, ...COLUMNS[kind]]);
}

/** The event as a row of a download. Absent values are empty. */
export function csvRowOf(entry: AuditEntry): string {
  const { tenant, id, timeMicros } = entry;
  const values = COLUMNS[tenant.kind].map((column) => String(entry[column] ?? ''));
  return csvRow([id, timeText(timeMicros), tenant.id, ...values]);
}

/**
 * A row of every CSV file that is made for people (RFC 4180). A value that a spreadsheet would compute has an
 * apostrophe before it; for evidence there is JSON.
 */
export function csvRow(values: readonly string[]): string {
  return `${values.map(csvValue).join(',')}\r\n`;
}

function csvValue(text: string): string {
  const value = FORMULA.test(text) ? `'${text}` : text;
  return SPECIAL.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
