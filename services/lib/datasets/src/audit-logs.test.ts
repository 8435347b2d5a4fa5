import { TIMESTAMP_FORMATS } from '@trailpush/core';
import { EXAMPLE_EVENT } from '@trailpush/test/kit/audit-event-example.ts';
import { outcomeOf } from '@trailpush/test/kit/reader-outcome.ts';
import { DEFAULT_OPTIONS, storedOptions } from '@trailpush/test/kit/stored-options.ts';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeEvent } from './event-codec.ts';
import { datasets } from './registry.ts';
import { WriterSchemas } from './writer-schemas.ts';

/** Golden files as in `audit-logs-v2.test.ts`, from the same records. */
const GOLDEN = join(import.meta.dirname, '../../../../test/golden');
const RECORDS = globSync('audit_logs_v2/*.avro', { cwd: GOLDEN }).toSorted();
const dataset = datasets(new WriterSchemas({})).get('audit_logs')!;
const reader = dataset.openReader();

function lineOf(value: Uint8Array, key: string, options?: object): Buffer {
  const stored = options === undefined ? DEFAULT_OPTIONS : storedOptions(options);
  const { line, message } = outcomeOf(reader, dataset.parseOutputOptions(stored).line, {
    value,
    key,
  });
  if (line === undefined) throw new Error(message ?? '');
  return Buffer.from(line, 'latin1');
}

function goldenLines(file: string, options: object): string {
  const golden = join(GOLDEN, 'audit_logs', file);
  const lines = Buffer.concat(
    RECORDS.map((record) => {
      const key = basename(record, '.avro') === 'organization' ? 'org-1' : 'acc-1';
      return lineOf(readFileSync(join(GOLDEN, record)), key, options);
    }),
  );
  if (process.env['TRAILPUSH_UPDATE_GOLDEN'] === '1') writeFileSync(golden, lines);
  expect(lines.equals(readFileSync(golden))).toBe(true);
  return lines.toString();
}

describe('audit_logs', () => {
  test('has the 15 fields of Cloudflare, in its order', () => {
    expect(dataset.fields.map(({ name, type }) => `${name}:${type}`)).toEqual([
      ...['ActionResult:bool', 'ActionType:string', 'ActorEmail:string', 'ActorID:string'],
      ...['ActorIP:string', 'ActorType:string', 'ID:string', 'Interface:string'],
      ...['Metadata:object', 'NewValue:object', 'OldValue:object', 'OwnerID:string'],
      ...['ResourceID:string', 'ResourceType:string', 'When:timestamp'],
    ]);
    for (const { description } of dataset.fields) expect(description).toMatch(/\.$/);
  });

  test.each(TIMESTAMP_FORMATS)('makes the golden lines with times as %s', (format) => {
    expect(RECORDS).toHaveLength(8);
    const lines = goldenLines(`lines.${format}.ndjson`, { timestamp_format: format });
    for (const line of lines.split('\n').slice(0, -1)) {
      expect(Object.keys(JSON.parse(line) as object)).toHaveLength(15);
    }
  });

  test('makes the golden lines in CSV', () => {
    goldenLines('lines.csv', { output_type: 'csv', timestamp_format: 'rfc3339ms' });
  });

  test.each<[string | null, boolean]>([
    ['success', true],
    ['failure', false],
    ['Success', false],
    ['successful', false],
    ['', false],
    [null, false],
  ])('says of the result %j that it is %j, a bool', (result, wanted) => {
    const event = { ...EXAMPLE_EVENT, action: { ...EXAMPLE_EVENT.action, result } };
    const value = encodeEvent(event);
    expect(lineOf(value, 'acc-1', { field_names: ['ActionResult'] }).toString()).toBe(
      `{"ActionResult":${wanted}}\n`,
    );
    const where = { key: 'ActionResult', operator: 'eq', value: true };
    expect(reader.compileFilter(JSON.stringify({ where }))?.()).toBe(wanted);
  });

  test('shows the members that only version 1 has', () => {
    expect(lineOf(encodeEvent(EXAMPLE_EVENT), 'acc-1').toString()).toBe(
      '{"ActionResult":true,"ActionType":"update","ActorEmail":"a@example.com","ActorID":"u",' +
        '"ActorIP":"203.0.113.9","ActorType":"user","ID":"id-1","Interface":"API","Metadata":{},' +
        '"NewValue":"2","OldValue":1,"OwnerID":"o","ResourceID":"res","ResourceType":"record",' +
        '"When":1708213921123456000}\n',
    );
    const none = { interface: null, owner: null, metadata: null, old_value: null, new_value: null };
    const options = { field_names: ['Interface', 'OwnerID', 'Metadata', 'OldValue', 'NewValue'] };
    expect(lineOf(encodeEvent({ ...EXAMPLE_EVENT, ...none }), 'acc-1', options).toString()).toBe(
      '{"Interface":"","OwnerID":"","Metadata":{},"OldValue":{},"NewValue":{}}\n',
    );
  });
});
