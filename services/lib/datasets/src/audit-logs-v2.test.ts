import { TIMESTAMP_FORMATS } from '@trailpush/core';
import { outcomeOf } from '@trailpush/test/kit/reader-outcome.ts';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { datasets } from './registry.ts';
import { WriterSchemas } from './writer-schemas.ts';

/**
 * Golden files, in bytes. The records (`*.avro`) are as they lie in logs: they are never rewritten, and
 * every version reads them. The lines that they become are a promise to the parsers of customers;
 * `TRAILPUSH_UPDATE_GOLDEN=1` rewrites them, and the difference is for a person to judge.
 */
const FOLDER = join(import.meta.dirname, '../../../../test/golden/audit_logs_v2');
const RECORDS = globSync('*.avro', { cwd: FOLDER }).toSorted();
const dataset = datasets(new WriterSchemas({})).get('audit_logs_v2')!;
const reader = dataset.openReader();

function lineOf(file: string, outputOptions: string): Buffer {
  const key = basename(file, '.avro') === 'organization' ? 'org-1' : 'acc-1';
  const options = dataset.parseOutputOptions({ outputOptions, logpullOptions: null }).line;
  const value = readFileSync(join(FOLDER, file));
  const { line, message } = outcomeOf(reader, options, { value, key });
  if (line === undefined) throw new Error(`${file}: ${message ?? ''}`);
  return Buffer.from(line, 'latin1');
}

describe('audit_logs_v2', () => {
  test('has the 23 fields of Cloudflare, in its order', () => {
    expect(dataset.fields.map(({ name, type }) => `${name}:${type}`)).toEqual([
      ...['AccountID:string', 'AccountName:string', 'ActionDescription:string'],
      ...['ActionResult:string', 'ActionTimestamp:timestamp', 'ActionType:string'],
      ...['ActorContext:string', 'ActorEmail:string', 'ActorID:string', 'ActorIPAddress:string'],
      ...['ActorTokenDetails:object', 'ActorType:string', 'AuditLogID:string', 'Raw:object'],
      ...['ResourceID:string', 'ResourceProduct:string', 'ResourceRequest:object'],
      ...['ResourceResponse:object', 'ResourceScope:string', 'ResourceType:string'],
      ...['ResourceValue:object', 'ZoneID:string', 'ZoneName:string'],
    ]);
    for (const { description } of dataset.fields) expect(description).toMatch(/\.$/);
  });

  test('has records to compare', () => {
    expect(RECORDS).toHaveLength(8);
  });

  test.each(TIMESTAMP_FORMATS)('makes the golden lines with times as %s', (format) => {
    const golden = join(FOLDER, `lines.${format}.ndjson`);
    const options = JSON.stringify({ timestamp_format: format });
    const lines = Buffer.concat(RECORDS.map((file) => lineOf(file, options)));
    if (process.env['TRAILPUSH_UPDATE_GOLDEN'] === '1') writeFileSync(golden, lines);
    expect(lines.equals(readFileSync(golden))).toBe(true);
    for (const line of lines.toString().split('\n').slice(0, -1)) JSON.parse(line);
  });

  test('makes the golden lines of some fields in another order', () => {
    const golden = join(FOLDER, 'lines.some-fields.ndjson');
    const options =
      '{"field_names":["Raw","ZoneName","ActionTimestamp","ResourceValue","AuditLogID"]}';
    const lines = Buffer.concat(RECORDS.map((file) => lineOf(file, options)));
    if (process.env['TRAILPUSH_UPDATE_GOLDEN'] === '1') writeFileSync(golden, lines);
    expect(lines.equals(readFileSync(golden))).toBe(true);
  });

  test.each([
    ['lines.csv', { output_type: 'csv', timestamp_format: 'rfc3339' }],
    [
      'lines.delimiters.txt',
      {
        ...{ record_prefix: '{"event":{', record_suffix: '}}\u2028', field_delimiter: ', ' },
        ...{ 'CVE-2021-44228': true },
      },
    ],
    [
      'lines.template.txt',
      {
        output_type: 'ndjson',
        field_names: ['AuditLogID', 'ActionTimestamp', 'ResourceValue', 'Raw'],
        record_template:
          '"id":{{.AuditLogID}},{{/* dropped */}}"t":{{ .ActionTimestamp }},"v":[{{.ResourceValue}},{{.Raw}}],"none":{{.ZoneID}},"c":{{ "\\"é\\"" }},"b":{{`"{{curly}}"`}}',
      },
    ],
  ])('makes the golden lines of %s', (file, options) => {
    const golden = join(FOLDER, file);
    const lines = Buffer.concat(RECORDS.map((record) => lineOf(record, JSON.stringify(options))));
    if (process.env['TRAILPUSH_UPDATE_GOLDEN'] === '1') writeFileSync(golden, lines);
    expect(lines.equals(readFileSync(golden))).toBe(true);
  });
});
