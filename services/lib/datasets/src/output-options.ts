import {
  InvalidJobError,
  TIMESTAMP_FORMATS,
  type FieldSpec,
  type OutputOptions,
  type TimestampFormat,
} from '@trailpush/core';

/**
 * Members of Logpush's output_options that this version cannot act on, with the value that asks for
 * nothing: clients that write out all defaults (Terraform does) send exactly these.
 */
const FIXED = new Map<string, unknown>([
  ['output_type', 'ndjson'],
  ['batch_prefix', ''],
  ['batch_suffix', ''],
  ['record_prefix', '{'],
  ['record_suffix', '}\n'],
  ['record_delimiter', ''],
  ['field_delimiter', ','],
  ['record_template', ''],
  ['sample_rate', 1],
  ['CVE-2021-44228', false],
  ['merge_subrequests', false],
]);

function invalid(member: string, message: string): InvalidJobError {
  const pointer = member.replaceAll('~', '~0').replaceAll('/', '~1');
  return new InvalidJobError(`/output_options/${pointer}`, `output_options.${member}: ${message}`);
}

function checkMember(name: string, value: unknown): void {
  if (name === 'field_names' || name === 'timestamp_format') return;
  if (!FIXED.has(name)) throw invalid(name, 'there is no such option');
  const only = FIXED.get(name);
  if (value !== null && value !== only) {
    throw invalid(name, `only its default, ${JSON.stringify(only)}, is supported`);
  }
}

function parseTimestampFormat(value: unknown): TimestampFormat {
  const format = TIMESTAMP_FORMATS.find((known) => known === (value ?? 'unixnano'));
  if (!format) throw invalid('timestamp_format', `must be one of ${TIMESTAMP_FORMATS.join(', ')}`);
  return format;
}

function parseFieldNames(fields: readonly FieldSpec[], value: unknown): readonly string[] {
  const known = fields.map((field) => field.name);
  if (value === undefined || value === null) return known;
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid('field_names', 'must be a list with at least one field name');
  }
  const names = new Set<string>();
  for (const name of value as readonly unknown[]) {
    if (typeof name !== 'string' || !known.includes(name)) {
      throw invalid('field_names', `the dataset has no field ${JSON.stringify(name)}`);
    }
    if (names.has(name)) throw invalid('field_names', `${name} is named twice`);
    names.add(name);
  }
  return [...names];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * output_options as stored (JSON text or null), with Logpush's defaults: all fields in the dataset's
 * order, and `unixnano` (jobs made through the API). @throws InvalidJobError
 */
export function parseOutputOptions(
  fields: readonly FieldSpec[],
  stored: string | null,
): OutputOptions {
  const options = stored === null ? null : parseJson(stored);
  if (typeof options !== 'object' || Array.isArray(options)) {
    throw new InvalidJobError('/output_options', 'output_options must be an object');
  }
  const members = new Map<string, unknown>(Object.entries(options ?? {}));
  for (const [name, value] of members) checkMember(name, value);
  return {
    fieldNames: parseFieldNames(fields, members.get('field_names')),
    timestampFormat: parseTimestampFormat(members.get('timestamp_format')),
  };
}
