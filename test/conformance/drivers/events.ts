import { datasets, encodeEvent, parseEventItem, WriterSchemas } from '@trailpush/datasets';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';
import { auditEvent, eventValue } from '@trailpush/test/kit/events.ts';
import { outcomeOf } from '@trailpush/test/kit/reader-outcome.ts';
import { storedOptions } from '@trailpush/test/kit/stored-options.ts';
import { expect } from 'vitest';

import { checkCodecs, decompress } from '../../../services/lib/log/src/kafka/codecs.ts';
import { CASES, expand, type Case, type Driver, type Drivers } from '../cases.ts';

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
  const outcome = outcomeOf(V2.openReader(), line, { value, key: parsed.tenant.id });
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

/** What a batcher makes of this value between two events: both arrive, and the letters say why it did not. */
async function deadLettersOf(value: Uint8Array | null, key = 'acme') {
  const world = new BatcherWorld();
  try {
    const job = world.createJob();
    await world.start();
    world.produce('acme', 1);
    world.topic.appendRaw({ partition: 0, key: Buffer.from(key), value });
    world.produce('acme', 1);
    await world.advance(60_000);
    expect([...world.faults(job.id), ...world.violations()]).toEqual([]);
    const alarms = world.logged.lines.filter(({ level }) => level === 'error' || level === 'warn');
    if (world.stores.deadLetters.length > 0) expect(alarms.length).toBeGreaterThan(0);
    return world.stores.deadLetters;
  } finally {
    world.close();
  }
}

const quarantined =
  (value: (entry: Case) => Uint8Array, reason: string): Driver =>
  async (entry) => {
    const bytes = value(entry);
    const letters = await deadLettersOf(bytes);
    expect(letters).toMatchObject([{ topic: 'audit.events', partition: 0, offset: 1, reason }]);
    expect(Buffer.from(letters[0]?.value ?? []).equals(bytes)).toBe(true);
  };

const EVENT = { id: 'x', accountId: 'acme' };
const inputOf = (entry: Case) => entry['input'] as Record<string, unknown>;

const deepBody = quarantined((entry) => {
  const event = auditEvent(EVENT);
  const request = expand(inputOf(entry)['kafka_value']);
  return encodeEvent({ ...event, resource: { ...event.resource, request } });
}, 'body_too_deep');

const otherMagicByte = quarantined((entry) => {
  const magic = Number(inputOf(entry)['magic_byte']);
  return Buffer.concat([Buffer.from([magic, 0, 0, 0, 7]), eventValue(EVENT)]);
}, 'not_avro');

const randomBytes = quarantined((entry) => {
  const { $base64 } = inputOf(entry)['kafka_value'] as { $base64: string };
  return Buffer.from($base64, 'base64');
}, 'not_avro');

const tombstone: Driver = async (entry) => {
  expect(inputOf(entry)['kafka_value']).toBeNull();
  expect(await deadLettersOf(null)).toEqual([]);
};

const oldEvent: Driver = async (entry) => {
  const event = auditEvent(EVENT);
  const time = Date.parse(String(inputOf(entry)['ActionTimestamp'])) * 1000;
  const world = new BatcherWorld();
  try {
    world.createJob({ outputOptions: '{"field_names":["ActionTimestamp"]}' });
    await world.start();
    const value = encodeEvent({ ...event, action: { ...event.action, time } });
    world.topic.append([{ key: 'acme', value }]);
    const today = new Date(world.clock.now()).toISOString().slice(0, 10).replaceAll('-', '');
    await world.advance(60_000);
    const objects = [...world.places.at('bucket').objects.values()];
    expect(objects.map(({ text }) => text)).toEqual(['{"ActionTimestamp":0}\n']);
    expect(objects[0]?.key).toContain(`${today}T`);
  } finally {
    world.close();
  }
};

const codecs: Driver = async () => {
  // Each codec unpacks a sample before the log is opened; one that nobody knows is named.
  await checkCodecs();
  await expect(decompress(7, Buffer.alloc(1))).rejects.toThrow('codec 7 is unknown');
};

/** The line of one field; texts are as the item has them. */
const shownAs =
  (json: string): Driver =>
  (entry) => {
    const { field, value } = inputOf(entry) as { field: string; value: string };
    const path = field === 'ActorEmail' ? 'actor.email' : 'action.description';
    const line = lineOfItem(itemWith(path, value), { field_names: [field] });
    expect(line).toBe(`{"${field}":${json}}\n`);
    expect(JSON.parse(line)).toEqual({ [field]: value });
  };

/** Avro has no surrogates in its texts; bytes that look like one are delivered as U+FFFD. */
const loneSurrogate: Driver = () => {
  const event = auditEvent(EVENT);
  const marked = { ...event, action: { ...event.action, description: '<..>' } };
  const value = Buffer.from(encodeEvent(marked));
  value.set([0xed, 0xa0, 0x80], value.indexOf('<..>'));
  const { line } = V2.parseOutputOptions(storedOptions({ field_names: ['ActionDescription'] }));
  const outcome = outcomeOf(V2.openReader(), line, { value, key: 'acme' });
  const text = Buffer.from(outcome.line ?? '', 'latin1').toString();
  expect(text).toBe('{"ActionDescription":"\ufffd\ufffd\ufffd>"}\n');
};

/** Cases about what events hold, and the lines that they become. */
export const drivers: Drivers = {
  badInputs: {
    'event-content-01': deepBody,
    'event-content-02': oldEvent,
    'event-content-03': otherMagicByte,
    'event-content-04': tombstone,
    'event-content-05': codecs,
    'event-content-06': loneSurrogate,
    'event-content-07': shownAs('"a\\nb\\r\\nc"'),
    'event-content-08': shownAs('"\\u2028\\u2029"'),
    'event-content-09': shownAs('"\\u0000\\u001b[31mred\\u001b[0m"'),
    'event-content-10': randomBytes,
    'event-content-11': quarantined(() => Buffer.alloc(0), 'not_avro'),
    'event-content-12': quarantined(
      () => eventValue({ ...EVENT, accountId: 'another' }),
      'account_mismatch',
    ),
  },
  logpush: {
    enum: enumValues,
    mapping_v2_api_to_logpush: mapping,
    record: recordLine,
  },
};
