import {
  InvalidJobError,
  OUTPUT_TYPES,
  TIMESTAMP_FORMATS,
  type FieldSpec,
  type JobContent,
  type LinePart,
  type OutputOptions,
  type OutputType,
} from '@trailpush/core';
import { translateLogpullOptions } from './logpull-options.ts';
import { OptionMembers, refuseOption } from './option-members.ts';
import { parseRecordTemplate } from './record-template.ts';

const KNOWN = new Set([
  ...['field_names', 'output_type', 'timestamp_format', 'sample_rate', 'record_template'],
  ...['batch_prefix', 'batch_suffix', 'record_prefix', 'record_suffix', 'record_delimiter'],
  ...['field_delimiter', 'CVE-2021-44228', 'merge_subrequests'],
]);

const DEFAULTS = {
  ndjson: { prefix: '{', suffix: '}\n', contentType: 'application/x-ndjson' },
  csv: { prefix: '', suffix: '\n', contentType: 'text/csv' },
} as const satisfies Record<OutputType, object>;

/** Limits of ours: Logpush names none, and a job must not make a line of any length. */
const MAX_CONSTANT_BYTES = 4096;
const MAX_TEMPLATE_BYTES = 10_240;

/**
 * output_options as stored, or logpull_options where there are none, with Logpush's defaults: all fields
 * in the dataset's order, and `unixnano` (jobs made through the API). @throws InvalidJobError
 */
export function parseOutputOptions(
  fields: readonly FieldSpec[],
  { outputOptions, logpullOptions }: Pick<JobContent, 'outputOptions' | 'logpullOptions'>,
): OutputOptions {
  if (outputOptions !== null) return compose(fields, membersOf(parseObject(outputOptions)));
  if ((logpullOptions ?? '') === '') return compose(fields, membersOf({}));
  const translated = translateLogpullOptions(logpullOptions ?? '');
  try {
    return compose(fields, membersOf(translated));
  } catch (error) {
    if (!(error instanceof InvalidJobError)) throw error;
    // The client knows the other names; its text says which part is meant.
    const message = `logpull_options, read as ${error.message}`;
    throw new InvalidJobError('/logpull_options', message);
  }
}

function parseObject(stored: string): object {
  let options: unknown;
  try {
    options = JSON.parse(stored);
  } catch {
    options = undefined;
  }
  if (options === null) return {};
  if (typeof options !== 'object' || Array.isArray(options)) {
    throw new InvalidJobError('/output_options', 'output_options must be an object');
  }
  return options;
}

function membersOf(options: object): OptionMembers {
  const members = new Map<string, unknown>(Object.entries(options));
  for (const name of members.keys()) {
    if (!KNOWN.has(name)) throw refuseOption(name, 'there is no such option');
  }
  if ((members.get('merge_subrequests') ?? false) !== false) {
    throw refuseOption('merge_subrequests', 'only http_requests has subrequests: leave it out');
  }
  return new OptionMembers(members);
}

function compose(fields: readonly FieldSpec[], members: OptionMembers): OutputOptions {
  const outputType = members.choice('output_type', OUTPUT_TYPES, 'ndjson');
  const timestampFormat = members.choice('timestamp_format', TIMESTAMP_FORMATS, 'unixnano');
  const defusesLookups = members.bool('CVE-2021-44228');
  const constant = (name: string, byDefault: string) =>
    members.text(name, byDefault, MAX_CONSTANT_BYTES);
  const parts = [
    { text: constant('record_prefix', DEFAULTS[outputType].prefix) },
    ...recordParts(fields, members, outputType),
    { text: constant('record_suffix', DEFAULTS[outputType].suffix) },
  ];
  const times = new Set(fields.filter(({ type }) => type === 'timestamp').map(({ name }) => name));
  const hasTimes = parts.some((part) => 'field' in part && times.has(part.field));
  return {
    line: {
      outputType,
      parts: joined(parts),
      // Without a time every format gives the same bytes.
      timestampFormat: hasTimes ? timestampFormat : 'unixnano',
      defusesLookups,
    },
    frame: {
      prefix: constant('batch_prefix', ''),
      delimiter: constant('record_delimiter', ''),
      suffix: constant('batch_suffix', ''),
      contentType: DEFAULTS[outputType].contentType,
      defusesLookups,
    },
    sampleRate: parseSampleRate(members.get('sample_rate')),
  };
}

/** What stands between prefix and suffix of a record. */
function recordParts(
  fields: readonly FieldSpec[],
  members: OptionMembers,
  outputType: OutputType,
): readonly LinePart[] {
  const fieldNames = parseFieldNames(fields, members.get('field_names'));
  const delimiter = members.text('field_delimiter', ',', MAX_CONSTANT_BYTES);
  const template = members.text('record_template', '', MAX_TEMPLATE_BYTES);
  if (template !== '') return parseRecordTemplate(template, { fields, fieldNames });
  return fieldNames.flatMap((field, index) => [
    { text: `${index === 0 ? '' : delimiter}${outputType === 'csv' ? '' : `"${field}":`}` },
    { field },
  ]);
}

/** Neighbouring constants as one, so that equal bytes come from equal options. */
function joined(parts: readonly LinePart[]): readonly LinePart[] {
  const all: LinePart[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (!('text' in part)) all.push({ field: part.field });
    else if (last && 'text' in last) all.splice(-1, 1, { text: last.text + part.text });
    else if (part.text !== '') all.push({ text: part.text });
  }
  return all;
}

function parseFieldNames(fields: readonly FieldSpec[], value: unknown): readonly string[] {
  const known = fields.map((field) => field.name);
  if (value === undefined || value === null) return known;
  if (!Array.isArray(value) || value.length === 0) {
    throw refuseOption('field_names', 'must be a list with at least one field name');
  }
  const names = new Set<string>();
  for (const name of value as readonly unknown[]) {
    if (name === '*') {
      if (value.length === 1) return known;
      throw refuseOption(
        'field_names',
        '"*" stands for all fields, so nothing may stand beside it',
      );
    }
    if (typeof name !== 'string' || !known.includes(name)) {
      throw refuseOption('field_names', `the dataset has no field ${JSON.stringify(name)}`);
    }
    if (names.has(name)) throw refuseOption('field_names', `${name} is named twice`);
    names.add(name);
  }
  return [...names];
}

function parseSampleRate(value: unknown): number {
  const rate = value ?? 1;
  if (typeof rate === 'number' && rate > 0 && rate <= 1) return rate;
  throw refuseOption('sample_rate', 'must be a number above 0 and up to 1; 1 delivers everything');
}
