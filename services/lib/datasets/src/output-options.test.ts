import { InvalidJobError, type OutputOptions } from '@trailpush/core';
import { describe, expect, test } from 'vitest';
import { EVENT_SCHEMA } from './event-schema.ts';
import { datasets } from './registry.ts';

const dataset = datasets({ lookup: () => EVENT_SCHEMA, wait: async () => undefined }).get(
  'audit_logs_v2',
)!;
const ALL = dataset.fields.map(({ name }) => name);

function parse(options: unknown): OutputOptions {
  return dataset.parseOutputOptions(JSON.stringify(options));
}

function refusal(options: unknown): InvalidJobError {
  try {
    parse(options);
  } catch (error) {
    if (error instanceof InvalidJobError) return error;
    throw error;
  }
  throw new Error('the options were accepted');
}

describe('output options', () => {
  test('default to all fields in order and unixnano', () => {
    const defaults = { fieldNames: ALL, timestampFormat: 'unixnano' };
    expect(dataset.parseOutputOptions(null)).toEqual(defaults);
    for (const none of [null, {}, { field_names: null, timestamp_format: null }]) {
      expect(parse(none)).toEqual(defaults);
    }
  });

  test('keep the order of the field names', () => {
    const options = { field_names: ['ZoneID', 'AccountID'], timestamp_format: 'rfc3339ms' };
    expect(parse(options)).toEqual({
      fieldNames: ['ZoneID', 'AccountID'],
      timestampFormat: 'rfc3339ms',
    });
  });

  test('may spell out every default, as Terraform does', () => {
    const spelledOut = {
      ...{ batch_prefix: '', batch_suffix: '', 'CVE-2021-44228': false, field_delimiter: ',' },
      ...{ output_type: 'ndjson', record_delimiter: '', record_prefix: '{', record_suffix: '}\n' },
      ...{ record_template: null, sample_rate: 1, timestamp_format: 'unixnano' },
      ...{ merge_subrequests: false },
    };
    expect(parse(spelledOut)).toEqual(dataset.parseOutputOptions(null));
  });

  test.each<[string, unknown, string]>([
    ['output_type', 'csv', 'output_options.output_type: only its default, "ndjson", is supported'],
    ['sample_rate', 0.1, 'output_options.sample_rate: only its default, 1, is supported'],
    ['sample_rate', 0, 'sample_rate'],
    ['sample_rate', '1', 'sample_rate'],
    ['CVE-2021-44228', true, 'output_options.CVE-2021-44228: only its default, false'],
    ['record_template', '{{.ActorEmail}}', 'record_template'],
    ['record_suffix', '}', 'record_suffix: only its default, "}\\n", is supported'],
    ['batch_prefix', '[', 'batch_prefix'],
    ['field_delimiter', '\t', 'field_delimiter'],
    ['merge_subrequests', true, 'merge_subrequests'],
    ['stringify_object', true, 'output_options.stringify_object: there is no such option'],
    ['Field_Names', [], 'output_options.Field_Names: there is no such option'],
    ['timestamp_format', 'iso', 'must be one of unixnano, unix, rfc3339, rfc3339ms, rfc3339ns'],
    ['timestamp_format', 1, 'output_options.timestamp_format: must be one of'],
    ['field_names', [], 'output_options.field_names: must be a list with at least one field name'],
    ['field_names', 'ActorEmail', 'must be a list with at least one field name'],
    ['field_names', ['Nope'], 'output_options.field_names: the dataset has no field "Nope"'],
    ['field_names', ['__proto__'], 'the dataset has no field "__proto__"'],
    ['field_names', [7], 'the dataset has no field 7'],
    ['field_names', ['*'], 'the dataset has no field "*"'],
    ['field_names', ['actoremail'], 'the dataset has no field "actoremail"'],
    ['field_names', ['ZoneID', 'ZoneID'], 'output_options.field_names: ZoneID is named twice'],
  ])('refuse %s of %j and name it', (name, value, message) => {
    const error = refusal({ [name]: value });
    expect(error.pointer).toBe(`/output_options/${name}`);
    expect(error.message).toContain(message);
  });

  test('refuse what is no object', () => {
    for (const value of [[], 'x', 7, true]) {
      expect(refusal(value)).toMatchObject({ pointer: '/output_options' });
    }
    expect(() => dataset.parseOutputOptions('{')).toThrow('output_options must be an object');
  });

  test('point at odd names as a JSON pointer does', () => {
    expect(refusal({ 'a/b~c': 1 }).pointer).toBe('/output_options/a~1b~0c');
    expect(() => dataset.parseOutputOptions('{"__proto__":{"x":1}}')).toThrow('no such option');
  });
});
