import { datasets, encodeEvent, parseEventItem, WriterSchemas } from '@trailpush/datasets';
import { outcomeOf } from '@trailpush/test/kit/reader-outcome.ts';
import { storedOptions } from '@trailpush/test/kit/stored-options.ts';
import { expect } from 'vitest';

import { CASES, type Driver, type Drivers } from '../cases.ts';

const V2 = datasets(new WriterSchemas({})).get('audit_logs_v2')!;

interface ItemShape {
  readonly [name: string]: string | ItemShape;
}

/** The line of audit_logs_v2 that an item of the audit API becomes, parsed. */
function lineOfItem(item: ItemShape, options: object = {}): string {
  const account = { id: 'acc-1', ...(item['account'] as ItemShape | undefined) };
  const time = '2026-01-02T03:04:05Z';
  const action = { time, ...(item['action'] as ItemShape | undefined) };
  const parsed = parseEventItem(Buffer.from(JSON.stringify({ ...item, account, action })), {
    maxLineBytes: 1024 * 1024,
    newId: () => 'new',
    nowMicros: () => 0,
  });
  if (!parsed.ok) throw new Error(parsed.reason);
  const { line } = V2.parseOutputOptions(storedOptions(options));
  const value = encodeEvent(parsed.event);
  const outcome = outcomeOf(V2.openReader(), line, { value, key: parsed.key });
  return Buffer.from(outcome.line ?? '', 'latin1').toString();
}

/** An item whose member at this path is `value`. */
function itemWith(path: string, value: string): ItemShape {
  return path
    .split('.')
    .reduceRight<string | ItemShape>((inner, name) => ({ [name]: inner }), value) as ItemShape;
}

const enumValues: Driver = ({ field, values }) => {
  for (const value of [...(values as readonly string[]), '', 'something new']) {
    expect(
      Object.values(JSON.parse(lineOfItem(itemWith(String(field), value))) as object),
    ).toContain(value);
  }
};

const mapping: Driver = ({ map }) => {
  const pairs = Object.entries(map as Record<string, string>);
  expect(pairs.map(([, name]) => name)).toEqual(V2.fields.map(({ name }) => name));
  for (const [path, name] of pairs) {
    if (V2.fields.find((field) => field.name === name)?.type !== 'string') continue;
    const line = JSON.parse(lineOfItem(itemWith(path, 'the-value'))) as Record<string, unknown>;
    expect(line[name]).toBe('the-value');
  }
  const line = lineOfItem({
    actor: { token_id: 't', token_name: 'n' },
    raw: { uri: '/u' },
    resource: { request: { q: '1' }, response: { r: '2' }, value: { v: '3' } },
  });
  expect(JSON.parse(line)).toMatchObject({
    ActionTimestamp: 1_767_323_045_000_000_000,
    ActorTokenDetails: { token_id: 't', token_name: 'n' },
    Raw: { uri: '/u' },
    ...{ ResourceRequest: { q: '1' }, ResourceResponse: { r: '2' }, ResourceValue: { v: '3' } },
  });
};

/** Puts the fields of a line back where they came from. */
function itemOf(record: Record<string, unknown>): ItemShape {
  const { map } = CASES.logpush.find(({ kind }) => kind === 'mapping_v2_api_to_logpush')!;
  const item: Record<string, Record<string, string> | string> = {};
  for (const [path, name] of Object.entries(map as Record<string, string>)) {
    const value = name === 'ActionTimestamp' ? undefined : record[name];
    const [group = '', member] = path.split('.');
    if (typeof value !== 'string') continue;
    if (member === undefined) item[group] = value;
    else item[group] = { ...(item[group] as Record<string, string> | undefined), [member]: value };
  }
  const action = item['action'] as Record<string, string> | undefined;
  return { ...item, action: { ...action, time: String(record['ActionTimestamp']) } };
}

const recordLine: Driver = (entry) => {
  const text = (entry['line'] as string | undefined) ?? JSON.stringify(entry['record']);
  const record = JSON.parse(text) as Record<string, unknown>;
  const options = { field_names: Object.keys(record), timestamp_format: 'rfc3339' };
  expect(lineOfItem(itemOf(record), options)).toBe(`${text}\n`);
};

/** Cases about what events hold, and the lines that they become. */
export const drivers: Drivers = {
  logpush: {
    enum: enumValues,
    mapping_v2_api_to_logpush: mapping,
    record: recordLine,
  },
};
