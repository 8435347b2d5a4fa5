import {
  InvalidJobError,
  TIMESTAMP_FORMATS,
  type FieldSpec,
  type OutputOptions,
  type TimestampFormat,
} from '@trailpush/core';

/** Members of Logpush's output_options that this version acts on; the others are refused by name. */
const MEMBERS = new Set(['field_names', 'timestamp_format', 'output_type']);

function invalid(member: string, message: string): InvalidJobError {
  return new InvalidJobError(`/output_options/${member}`, `output_options.${member}: ${message}`);
}

function isTimestampFormat(value: unknown): value is TimestampFormat {
  return TIMESTAMP_FORMATS.some((format) => format === value);
}

function parseFieldNames(fields: readonly FieldSpec[], value: unknown): readonly string[] {
  if (value === undefined || value === null) return fields.map((field) => field.name);
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid('field_names', 'must be a list with at least one field name');
  }
  const known = new Set(fields.map((field) => field.name));
  const names: string[] = [];
  for (const name of value as readonly unknown[]) {
    if (typeof name !== 'string' || !known.has(name)) {
      throw invalid('field_names', `the dataset has no field ${JSON.stringify(name)}`);
    }
    if (names.includes(name)) throw invalid('field_names', `${name} is named twice`);
    names.push(name);
  }
  return names;
}

/**
 * output_options as stored (JSON text or null), with Logpush's defaults: all fields in the dataset's
 * order, and `unixnano` (jobs made through the API).
 */
export function parseOutputOptions(
  fields: readonly FieldSpec[],
  stored: string | null,
): OutputOptions {
  const options: unknown = stored === null ? {} : JSON.parse(stored);
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidJobError('/output_options', 'output_options must be an object');
  }
  const members = new Map<string, unknown>(Object.entries(options));
  for (const member of members.keys()) {
    if (!MEMBERS.has(member)) throw invalid(member, 'this option is not supported');
  }
  const outputType = members.get('output_type') ?? 'ndjson';
  if (outputType !== 'ndjson') throw invalid('output_type', 'only ndjson is supported');
  const timestampFormat = members.get('timestamp_format') ?? 'unixnano';
  if (!isTimestampFormat(timestampFormat)) {
    throw invalid('timestamp_format', `must be one of ${TIMESTAMP_FORMATS.join(', ')}`);
  }
  return { fieldNames: parseFieldNames(fields, members.get('field_names')), timestampFormat };
}
