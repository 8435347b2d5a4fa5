import { InvalidJobError, type Dataset, type FieldType } from '@trailpush/core';
import { datasets, WriterSchemas } from '@trailpush/datasets';
import { foreignDataset } from '@trailpush/test/kit/foreign-dataset.ts';
import { batchOf } from '@trailpush/test/kit/batch-of.ts';
import { DEFAULT_OPTIONS, storedOptions } from '@trailpush/test/kit/stored-options.ts';
import { expect } from 'vitest';

import { expand, type Case, type Driver, type Drivers } from '../cases.ts';

const ALL = datasets(new WriterSchemas({}));
const V2 = ALL.get('audit_logs_v2')!;

/** Fields of datasets that we do not have, and of those that we have, by the type that the cases assume. */
const TYPES: Readonly<Record<string, FieldType>> = {
  ...{ ClientIP: 'string', ClientCountry: 'string', ClientRequestHost: 'string', RayID: 'string' },
  ...{ ClientRequestPath: 'string', UA: 'string', A: 'string', any: 'int', B: 'string' },
  ...{ EdgeStartTimestamp: 'timestamp', BotScore: 'int', EdgeResponseStatus: 'int' },
  ...{ SecurityActions: 'array', OldValue: 'object', Metadata: 'object' },
  ...Object.fromEntries(V2.fields.map(({ name, type }) => [name, type])),
};
const FOREIGN = foreignDataset('foreign', TYPES);
/** With the bool of version 1 under a name that version 2 has for a text. */
const FOREIGN_V1 = foreignDataset('foreign', { ...TYPES, ActionResult: 'bool' });

function datasetOf({ record, input }: Case): Dataset {
  const hasBool =
    typeof (record as Record<string, unknown> | undefined)?.['ActionResult'] === 'boolean' ||
    /"ActionResult"[^}]*\[?true/.test(String(input));
  return hasBool ? FOREIGN_V1 : FOREIGN;
}

function refusalOf(read: () => unknown): InvalidJobError | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof InvalidJobError) return error;
    throw error;
  }
}

/** What the cases leave open, decided in DECISIONS.md. */
const DECIDED: Readonly<Record<string, unknown>> = {
  // An element of an array is compared as a whole.
  'filter-048': false,
  // Case counts.
  'filter-050': false,
  // RFC 4180.
  'output-118': '"say ""hi"", ok"\n',
};

const filter: Driver = (entry) => {
  const reader = datasetOf(entry).openReader();
  reader.load(Buffer.from(JSON.stringify(entry['record'])), Buffer.alloc(0));
  const passes = reader.compileFilter(String(entry['input']))?.() ?? true;
  expect(passes).toBe(entry['expect'] ?? DECIDED[entry.id]);
};

const filterValid: Driver = (entry) => {
  const refusal = refusalOf(() => datasetOf(entry).checkFilter(String(entry['input'])));
  expect(refusal === undefined).toBe(entry['valid']);
  if (entry['error'] !== undefined) expect(refusal?.message).toContain(entry['error']);
};

const output: Driver = async (entry) => {
  const batch = await batchOf(FOREIGN, entry['options'], entry['records'] as readonly object[]);
  expect(batch).toBe(entry['expect'] ?? DECIDED[entry.id]);
};

const timestamp: Driver = async (entry) => {
  const options = {
    ...{ field_names: ['EdgeStartTimestamp'], timestamp_format: entry['format'] },
    ...{ record_prefix: '', record_suffix: '', record_template: '{{.EdgeStartTimestamp}}' },
  };
  const record = { EdgeStartTimestamp: entry['unix_nanoseconds'] };
  expect(await batchOf(FOREIGN, options, [record])).toBe(entry['expect_json']);
};

const logpullOptions: Driver = (entry) => {
  const parsed = FOREIGN.parseOutputOptions({
    outputOptions: null,
    logpullOptions: String(entry['input']),
  });
  expect(parsed).toEqual(FOREIGN.parseOutputOptions(storedOptions(entry['expect'])));
};

const datasetFields: Driver = (entry) => {
  const fields = ALL.get(String(entry['dataset']))?.fields.map(({ name, type }) => ({
    name,
    type: type === 'timestamp' ? 'int or string' : type,
  }));
  expect(fields).toEqual(entry['fields']);
};

/** What a case says about `output_options` holds when options are accepted, or refused by name. */
function acceptsOptions(options: unknown, isAccepted: boolean, dataset: Dataset = V2): void {
  const refusal = refusalOf(() => dataset.parseOutputOptions(storedOptions(options)));
  expect(refusal === undefined).toBe(isAccepted);
  if (!isAccepted) expect(refusal?.pointer).toMatch(/^\/output_options\//);
}

const outputLimit: Driver = ({ field, value, valid }) => {
  const name = String(field).replace('output_options.', '');
  acceptsOptions({ [name]: value }, valid === true);
};

const OUTPUT_LIMITS = [137, 138, 141, 142, 175, 176, 177, 178, 179, 180, 182];

/** `reject...` and `limit...` are refusals. */
function isRefusal(entry: Case): boolean {
  return /^(?:reject|limit)/.test(String(entry['expect']));
}

const badFilter: Driver = (entry) => {
  const input = entry['input'] as { filter?: unknown; filter_operators?: number };
  const leaf = { key: 'ActionType', operator: 'eq', value: 'x' };
  const filter =
    input.filter_operators === undefined
      ? expand(input.filter)
      : JSON.stringify({
          where: { or: Array.from({ length: input.filter_operators }, () => leaf) },
        });
  expect(isRefusal(entry)).toBe(true);
  expect(
    refusalOf(() => {
      V2.checkFilter(filter);
    })?.message,
  ).toMatch(/^filter: /);
};

const badTemplate: Driver = (entry) => {
  const { output_options } = entry['input'] as { output_options: Record<string, unknown> };
  const options = Object.fromEntries(
    Object.entries(output_options).map(([name, value]) => [
      name,
      Array.isArray(value) ? value : expand(value),
    ]),
  );
  acceptsOptions(options, String(entry['expect']).startsWith('accept as literal'));
};

const csvInjection: Driver = async (entry) => {
  const { field, value } = entry['input'] as { field: string; value: string };
  const options = { output_type: 'csv', field_names: [field] };
  const quoted = `"${value.replaceAll('"', '""')}"\n`;
  expect(await batchOf(FOREIGN, options, [{ [field]: value }])).toBe(quoted);
};

const CVE = { 'CVE-2021-44228': true };
const ONE_TEXT = { ...CVE, field_names: ['UA'], output_type: 'csv' };

const defused =
  (value: string, wanted: string): Driver =>
  async (entry) => {
    expect(entry['input']).toMatchObject({ output_options: CVE, value });
    expect(await batchOf(FOREIGN, ONE_TEXT, [{ UA: value }])).toBe(`"${wanted}"\n`);
  };

const defusedWhereValuesMeet: Driver = async () => {
  const template = { ...CVE, record_template: '${{.OldValue}}', field_names: ['OldValue'] };
  const plain = {
    record_prefix: '',
    record_suffix: '$',
    record_delimiter: '{,$',
    batch_suffix: '{',
  };
  const records = [{ OldValue: { jndi: 1 } }, { OldValue: {} }];
  expect(await batchOf(FOREIGN, { ...template, ...plain }, records)).toBe('x{"jndi":1}x{,$x{}x{');
};

/** Cases about fields, output options and filters. */
export const drivers: Drivers = {
  logpush: {
    filter,
    filter_valid: filterValid,
    output,
    timestamp,
    logpull_options: logpullOptions,
    dataset_fields: datasetFields,
    'timestamp_default-129': (entry) => {
      const { line } = V2.parseOutputOptions(DEFAULT_OPTIONS);
      expect(line.timestampFormat).toBe(entry['expect']);
    },
    ...Object.fromEntries(OUTPUT_LIMITS.map((number) => [`limit-${number}`, outputLimit])),
  },
  badInputs: {
    filter: badFilter,
    'record-template': badTemplate,
    'csv-injection': csvInjection,
    'log4shell-option-01': defused('$${jndi:x}', '$x{jndi:x}'),
    'log4shell-option-02': defusedWhereValuesMeet,
    'log4shell-option-03': defused('${${lower:j}ndi:x}', 'x{x{lower:j}ndi:x}'),
  },
};
