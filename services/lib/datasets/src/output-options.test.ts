import { InvalidJobError, type OutputOptions } from '@trailpush/core';
import { DEFAULT_OPTIONS, storedOptions } from '@trailpush/test/kit/stored-options.ts';
import { describe, expect, test } from 'vitest';
import { datasets } from './registry.ts';
import { WriterSchemas } from './writer-schemas.ts';

const dataset = datasets(new WriterSchemas({})).get('audit_logs_v2')!;
const ALL = dataset.fields.map(({ name }) => name);

function parse(options: unknown): OutputOptions {
  return dataset.parseOutputOptions(storedOptions(options));
}

function parseLogpull(logpullOptions: string): OutputOptions {
  return dataset.parseOutputOptions({ outputOptions: null, logpullOptions });
}

/** Constants as they are, fields as `<name>`. */
function recordOf({ line }: OutputOptions): string {
  return line.parts.map((part) => ('text' in part ? part.text : `<${part.field}>`)).join('');
}

function refusal(read: () => unknown): InvalidJobError {
  try {
    read();
  } catch (error) {
    if (error instanceof InvalidJobError) return error;
    throw error;
  }
  throw new Error('the options were accepted');
}

describe('output options', () => {
  test('default to all fields in order and unixnano', () => {
    const defaults = dataset.parseOutputOptions(DEFAULT_OPTIONS);
    expect(recordOf(defaults)).toBe(`{${ALL.map((name) => `"${name}":<${name}>`).join(',')}}\n`);
    expect(defaults).toMatchObject({
      line: { outputType: 'ndjson', timestampFormat: 'unixnano', defusesLookups: false },
      frame: { prefix: '', delimiter: '', suffix: '', contentType: 'application/x-ndjson' },
      sampleRate: 1,
    });
    for (const none of [null, {}, { field_names: null, timestamp_format: null }]) {
      expect(parse(none)).toEqual(defaults);
    }
    expect(parse({ field_names: ['*'] })).toEqual(defaults);
    expect(parseLogpull('')).toEqual(defaults);
  });

  test('keep the order of the field names', () => {
    expect(recordOf(parse({ field_names: ['ZoneID', 'AccountID'] }))).toBe(
      '{"ZoneID":<ZoneID>,"AccountID":<AccountID>}\n',
    );
  });

  test('may spell out every default, as Terraform does', () => {
    const spelledOut = {
      ...{ batch_prefix: '', batch_suffix: '', 'CVE-2021-44228': false, field_delimiter: ',' },
      ...{ output_type: 'ndjson', record_delimiter: '', record_prefix: '{', record_suffix: '}\n' },
      ...{ record_template: null, sample_rate: 1, timestamp_format: 'unixnano' },
      ...{ merge_subrequests: false },
    };
    expect(parse(spelledOut)).toEqual(dataset.parseOutputOptions(DEFAULT_OPTIONS));
  });

  test('have other defaults for CSV', () => {
    const options = parse({ output_type: 'csv', field_names: ['ZoneID', 'Raw'] });
    expect(recordOf(options)).toBe('<ZoneID>,<Raw>\n');
    expect(options.frame.contentType).toBe('text/csv');
  });

  test('are equal when the lines are, so that jobs can share them', () => {
    const fields = { field_names: ['ZoneID', 'AccountID'] };
    const same = [
      fields,
      { ...fields, timestamp_format: 'unix' },
      { ...fields, batch_prefix: '[', record_delimiter: ',', sample_rate: 0.5 },
      {
        record_template: '"ZoneID":{{.ZoneID}},"AccountID":{{ .AccountID }}',
        field_delimiter: ';',
      },
      {
        ...fields,
        record_prefix: '{"',
        record_template: 'ZoneID":{{.ZoneID}},"AccountID":{{.AccountID}}',
      },
    ].map((options) => parse(options).line);
    for (const line of same) expect(line).toEqual(same[0]);
    expect(parse({ ...fields, 'CVE-2021-44228': true }).line).not.toEqual(same[0]);
    expect(parse({ field_names: ['ActionTimestamp'], timestamp_format: 'unix' }).line).not.toEqual(
      parse({ field_names: ['ActionTimestamp'] }).line,
    );
  });

  test.each<[string, unknown, string]>([
    ['output_type', 'json', 'output_options.output_type: must be one of ndjson, csv'],
    ['sample_rate', 0, 'output_options.sample_rate: must be a number above 0 and up to 1'],
    ['sample_rate', 1.1, 'sample_rate'],
    ['sample_rate', -0.1, 'sample_rate'],
    ['sample_rate', '1', 'sample_rate'],
    ['CVE-2021-44228', 'true', 'output_options.CVE-2021-44228: must be true or false'],
    ['record_suffix', 1, 'output_options.record_suffix: must be a text'],
    ['record_delimiter', 'x'.repeat(4097), 'has 4097 bytes, and 4096 are allowed'],
    ['batch_prefix', 'é'.repeat(2049), 'has 4098 bytes, and 4096 are allowed'],
    ['field_delimiter', '\ud800', 'half a surrogate pair'],
    ['merge_subrequests', true, 'output_options.merge_subrequests: only http_requests has'],
    ['stringify_object', true, 'output_options.stringify_object: there is no such option'],
    ['Field_Names', [], 'output_options.Field_Names: there is no such option'],
    ['timestamp_format', 'iso', 'must be one of unixnano, unix, rfc3339, rfc3339ms, rfc3339ns'],
    ['timestamp_format', 1, 'output_options.timestamp_format: must be one of'],
    ['field_names', [], 'output_options.field_names: must be a list with at least one field name'],
    ['field_names', 'ActorEmail', 'must be a list with at least one field name'],
    ['field_names', ['Nope'], 'output_options.field_names: the dataset has no field "Nope"'],
    ['field_names', ['__proto__'], 'the dataset has no field "__proto__"'],
    ['field_names', [7], 'the dataset has no field 7'],
    ['field_names', ['ZoneID', '*'], '"*" stands for all fields, so nothing may stand beside it'],
    ['field_names', ['actoremail'], 'the dataset has no field "actoremail"'],
    ['field_names', ['ZoneID', 'ZoneID'], 'output_options.field_names: ZoneID is named twice'],
  ])('refuse %s of %j and name it', (name, value, message) => {
    const error = refusal(() => parse({ [name]: value }));
    expect(error.pointer).toBe(`/output_options/${name}`);
    expect(error.message).toContain(message);
  });

  test('refuse what is no object', () => {
    for (const value of [[], 'x', 7, true]) {
      expect(refusal(() => parse(value))).toMatchObject({ pointer: '/output_options' });
    }
    const broken = { outputOptions: '{', logpullOptions: null };
    expect(() => dataset.parseOutputOptions(broken)).toThrow('output_options must be an object');
  });

  test('point at odd names as a JSON pointer does', () => {
    expect(refusal(() => parse({ 'a/b~c': 1 })).pointer).toBe('/output_options/a~1b~0c');
    const proto = { outputOptions: '{"__proto__":{"x":1}}', logpullOptions: null };
    expect(() => dataset.parseOutputOptions(proto)).toThrow('no such option');
  });
});

describe('record templates', () => {
  const templateOf = (record_template: string, more: object = {}) =>
    parse({ record_prefix: '', record_suffix: '', record_template, ...more });

  test.each<[string, string]>([
    ['a {{.ZoneID}} b {{ .Raw }}{{  .ZoneID\t}}', 'a <ZoneID> b <Raw><ZoneID>'],
    ['{{/* dropped }} too */}}x', 'x'],
    ['{{ "const" }}{{"a\\n\\u0041\\""}}', 'consta\nA"'],
    ['{{`double{{curly}}braces`}}', 'double{{curly}}braces'],
    ['}} and { and ${process.env.HOME} are text', '}} and { and ${process.env.HOME} are text'],
  ])('%j give %j', (template, record) => {
    expect(recordOf(templateOf(template))).toBe(record);
  });

  test('show null for what field_names leaves out', () => {
    const options = templateOf('{{.ZoneID}} {{.Raw}}', { field_names: ['Raw'] });
    expect(recordOf(options)).toBe('null <Raw>');
  });

  test.each<[string, string]>([
    [
      'ab{{.ActorEmail',
      'output_options.record_template: at character 2: the {{ is not closed by }}',
    ],
    ['{{.ActorEmail | printf "%s"}}', 'at character 0: only {{.Field}}'],
    ['{{ActorEmail}}', 'only {{.Field}}'],
    ['{{- .ActorEmail -}}', 'only {{.Field}}'],
    ['{{}}', 'only {{.Field}}'],
    ['{{.Nope}}', 'at character 0: the dataset has no field "Nope"'],
    ['{{.__proto__}}', 'the dataset has no field "__proto__"'],
    ['{{"\\x41"}}', 'an escape that JSON does not know'],
    ['{{"\\ud800"}}', 'an escape that JSON does not know'],
    ['{{.Raw}}'.repeat(5), 'at character 32: it shows Raw more than 4 times'],
    ['{{.ActorEmail}}'.repeat(100_000), 'has 1500000 bytes, and 10240 are allowed'],
  ])('refuse %j', (template, message) => {
    const error = refusal(() => templateOf(template));
    expect(error.pointer).toBe('/output_options/record_template');
    expect(error.message).toContain(message);
  });

  test('are read in linear time', () => {
    const started = performance.now();
    for (const piece of ['{{"', '{{/*', '{{ ', '{{`', '{{"\\']) {
      refusal(() => templateOf(piece.repeat(10_000 / piece.length)));
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('logpull_options', () => {
  test('are without effect beside output_options', () => {
    const both = { outputOptions: '{}', logpullOptions: 'nonsense=1' };
    expect(dataset.parseOutputOptions(both)).toEqual(dataset.parseOutputOptions(DEFAULT_OPTIONS));
  });

  test('may be a whole Logpull URL', () => {
    const query = 'fields=ZoneID,Raw&timestamps=rfc3339&sample=0.5&CVE-2021-44228=true';
    const wanted = {
      ...{ field_names: ['ZoneID', 'Raw'], timestamp_format: 'rfc3339', sample_rate: 0.5 },
      'CVE-2021-44228': true,
    };
    const url = 'https://api.cloudflare.com/client/v4/zones/z/logs/received?start=1&end=2&count=9&';
    for (const text of [query, `?${query}`, url + query]) {
      expect(parseLogpull(text)).toEqual(parse(wanted));
    }
  });

  test.each<[string, string]>([
    ['field=A', 'logpull_options: there is no parameter "field"; known are fields, sample'],
    [
      'fields=Nope',
      'logpull_options, read as output_options.field_names: the dataset has no field',
    ],
    ['sample=0', 'logpull_options, read as output_options.sample_rate: must be'],
    ['sample=', 'sample_rate'],
    ['timestamps=iso', 'timestamp_format'],
    ['CVE-2021-44228=1', 'logpull_options: CVE-2021-44228 must be true or false'],
    ['fields=Raw&fields=ZoneID', 'logpull_options: fields is given twice'],
  ])('refuse %j', (text, message) => {
    const error = refusal(() => parseLogpull(text));
    expect(error.pointer).toBe('/logpull_options');
    expect(error.message).toContain(message);
  });
});
