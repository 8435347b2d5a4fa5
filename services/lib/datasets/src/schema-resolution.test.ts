import { readFileSync } from 'node:fs';
import { UndecodableRecordError } from '@trailpush/core';
import avro from 'avsc';
import { expect, test } from 'vitest';
import { parseEventItem } from './event-item.ts';
import { EVENT_SCHEMA, EVENT_SCHEMAS, EVENT_TYPE } from './event-schema.ts';
import { checkResolvable } from './schema-resolution.ts';

type Fields = { name: string; type: unknown; default?: unknown }[];

function golden(name: string): { fields: Fields } {
  const file = new URL(`../../../../test/golden/avro/${name}.avsc`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as { fields: Fields };
}

const typeOf = (schema: object) => avro.Type.forSchema(schema as avro.Schema);

function eventOf(line: string): object {
  const options = { maxLineBytes: 1e6, newId: () => 'id', nowMicros: () => 1_700_000_000_000_001 };
  const result = parseEventItem(Buffer.from(line), options);
  if (!result.ok) throw new Error(result.reason);
  return result.event;
}

function reasonOf(look: () => unknown): { reason: string; message: string } {
  try {
    look();
  } catch (error) {
    if (error instanceof UndecodableRecordError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('every schema that is kept can be read', () => {
  expect(EVENT_SCHEMAS).toContain(EVENT_SCHEMA);
  for (const schema of EVENT_SCHEMAS) expect(() => checkResolvable(schema)).not.toThrow();
});

test.each(['older', 'newer'])('records of an %s schema are read', (name) => {
  const schema = golden(name);
  expect(() => checkResolvable(schema)).not.toThrow();
  // A second opinion: avsc's own resolution, where it knows unions that only fit in part.
  if (name === 'older') expect(() => EVENT_TYPE.createResolver(typeOf(schema))).not.toThrow();
});

test('an older record gets null for what its writer did not have', () => {
  const older = typeOf(golden('older'));
  const event = eventOf(
    '{"account":{"id":"a"},"organization":{"id":"o"},"resource":{"request":{},"value":1}}',
  );
  const read = EVENT_TYPE.fromBuffer(
    older.toBuffer(event),
    EVENT_TYPE.createResolver(older),
  ) as object;
  expect(read).toMatchObject({ organization: null, resource: { request: '{}', value: null } });
});

test('a schema whose time is a text is refused with the place', () => {
  const { reason, message } = reasonOf(() => checkResolvable(golden('incompatible')));
  expect(reason).toBe('incompatible_schema');
  expect(message).toBe(
    "the writer's schema does not fit the audit event: action.time is of type string, where long is read",
  );
});

test.each<[string, (fields: Fields) => Fields, string]>([
  [
    'a field without default is missing',
    (fields) => fields.filter(({ name }) => name !== 'id'),
    'id is missing',
  ],
  [
    'a field of another type',
    (fields) => fields.map((field) => (field.name === 'id' ? { ...field, type: 'long' } : field)),
    'id is of type long, where string is read',
  ],
  [
    'no branch of a union fits',
    (fields) =>
      fields.map((field) =>
        field.name === 'zone' ? { name: 'zone', type: ['long', 'double'] } : field,
      ),
    'zone is of type double, where record is read',
  ],
  [
    'nanoseconds',
    (fields) => {
      const text = JSON.stringify(fields).replace('timestamp-micros', 'timestamp-nanos');
      return JSON.parse(text) as Fields;
    },
    'action.time counts nanoseconds, not microseconds',
  ],
  [
    'no schema at all',
    () => [{ name: 'not a name', type: 'string' }],
    'it is not an Avro schema (invalid field name: not a name)',
  ],
])('%s', (_name, change, detail) => {
  const ours = EVENT_SCHEMA as { fields: Fields };
  const { reason, message } = reasonOf(() =>
    checkResolvable({ ...ours, fields: change(ours.fields) }),
  );
  expect(reason).toBe('incompatible_schema');
  expect(message).toBe(`the writer's schema does not fit the audit event: ${detail}`);
});

test('the names of records and namespaces are the own business of writers', () => {
  const text = JSON.stringify(EVENT_SCHEMA)
    .replace('trailpush.audit', 'com.example')
    .replaceAll('"name":"Actor"', '"name":"Who"');
  expect(() => checkResolvable(JSON.parse(text) as object)).not.toThrow();
});
