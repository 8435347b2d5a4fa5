import type { AuditEvent } from '@trailpush/datasets';
import type { RawOptions } from './stored-options.ts';

const fieldOf: Readonly<Record<string, (event: AuditEvent) => string | null>> = {
  AccountID: ({ account }) => account?.id ?? null,
  AccountName: ({ account }) => account?.name ?? null,
  ActionDescription: ({ action }) => action.description,
  ActionResult: ({ action }) => action.result,
  ActionType: ({ action }) => action.type,
  ActorContext: ({ actor }) => actor.context,
  ActorEmail: ({ actor }) => actor.email,
  ActorID: ({ actor }) => actor.id,
  ActorIPAddress: ({ actor }) => actor.ip_address,
  ActorType: ({ actor }) => actor.type,
  AuditLogID: ({ id }) => id,
  ResourceID: ({ resource }) => resource.id,
  ResourceProduct: ({ resource }) => resource.product,
  ResourceScope: ({ resource }) => resource.scope,
  ResourceType: ({ resource }) => resource.type,
  ZoneID: ({ zone }) => zone?.id ?? null,
  ZoneName: ({ zone }) => zone?.name ?? null,
};

const bodyOf: Readonly<Record<string, (event: AuditEvent) => string | null>> = {
  ResourceRequest: ({ resource }) => resource.request,
  ResourceResponse: ({ resource }) => resource.response,
  ResourceValue: ({ resource }) => resource.value,
};

const membersOf: Readonly<Record<string, (event: AuditEvent) => object>> = {
  ActorTokenDetails: ({ actor: { token_id, token_name } }) => ({ token_id, token_name }),
  Raw: ({ raw: { cf_ray_id, method, status_code, uri, user_agent } }) => ({
    ...{ cf_ray_id, method, status_code, uri, user_agent },
  }),
};

/** The plain text of a filterable field, as a filter sees it; undefined for objects and times. */
export function textOfField(event: AuditEvent, name: string): string | undefined {
  const read = fieldOf[name];
  return read && (read(event) ?? '');
}

function timestamp(micros: number, format: string): string {
  const nanos = BigInt(micros) * 1000n;
  const nanosInSecond = ((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const second = (nanos - nanosInSecond) / 1_000_000_000n;
  const iso = new Date(Number(second) * 1000).toISOString().replace('.000Z', '');
  const fraction = String(nanosInSecond).padStart(9, '0');
  switch (format) {
    case 'unixnano':
      return String(nanos);
    case 'unix':
      return String(second);
    case 'rfc3339':
      return `"${iso}Z"`;
    case 'rfc3339ms':
      return `"${iso}.${fraction.slice(0, 3)}Z"`;
    case 'rfc3339ns':
      return `"${iso}.${fraction}Z"`;
    default:
      throw new TypeError(`the oracle does not know the timestamp format ${format}`);
  }
}

function escapedBreaks(json: string): string {
  return json.replaceAll(
    /[\u0085\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The JSON of an object field; undefined for others. */
function objectOfField(event: AuditEvent, name: string): string | undefined {
  const body = bodyOf[name];
  if (body) return escapedBreaks((body(event) ?? '').replaceAll(/[\r\n]/g, ' ') || '{}');
  const members = membersOf[name];
  if (!members) return undefined;
  return escapedBreaks(JSON.stringify(members(event), (_, member: unknown) => member ?? undefined));
}

function value(event: AuditEvent, name: string, options: RawOptions): string {
  if (name === 'ActionTimestamp' || name === 'When') {
    return timestamp(event.action.time, options.timestamp_format ?? 'unixnano');
  }
  const isCsv = options.output_type === 'csv';
  const quoted = (plain: string) => `"${plain.replaceAll('"', '""')}"`;
  const object = objectOfField(event, name);
  if (object !== undefined) return isCsv ? quoted(object) : object;
  const text = textOfField(event, name);
  if (text === undefined) throw new TypeError(`the oracle does not know the field ${name}`);
  return isCsv ? quoted(text) : escapedBreaks(JSON.stringify(text));
}

function record(event: AuditEvent, fieldNames: readonly string[], options: RawOptions): string {
  const { output_type, field_delimiter = ',', record_template } = options;
  if (record_template !== undefined) {
    return record_template.replaceAll(/\{\{\s*\.(\w+)\s*\}\}/g, (_, name: string) =>
      fieldNames.includes(name) ? value(event, name, options) : 'null',
    );
  }
  return fieldNames
    .map((name) => `${output_type === 'csv' ? '' : `"${name}":`}${value(event, name, options)}`)
    .join(field_delimiter);
}

const ALL_FIELDS = [
  ...['AccountID', 'AccountName', 'ActionDescription', 'ActionResult', 'ActionTimestamp'],
  ...['ActionType', 'ActorContext', 'ActorEmail', 'ActorID', 'ActorIPAddress', 'ActorTokenDetails'],
  ...['ActorType', 'AuditLogID', 'Raw', 'ResourceID', 'ResourceProduct', 'ResourceRequest'],
  ...['ResourceResponse', 'ResourceScope', 'ResourceType', 'ResourceValue', 'ZoneID', 'ZoneName'],
];

/**
 * The line of a decoded event, made the obvious way: what the fast one must equal byte for byte. Of
 * templates it knows text and fields.
 */
export function oracleLine(event: AuditEvent, options: RawOptions): string {
  const isCsv = options.output_type === 'csv';
  const { record_prefix = isCsv ? '' : '{', record_suffix = isCsv ? '\n' : '}\n' } = options;
  const line = `${record_prefix}${record(event, options.field_names ?? ALL_FIELDS, options)}${record_suffix}`;
  return options['CVE-2021-44228'] ? line.replaceAll('${', 'x{') : line;
}
