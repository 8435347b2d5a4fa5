import { UndecodableRecordError } from '@trailpush/core';
import { typedValueArbitrary } from '@trailpush/test/kit/avro-arbitrary.ts';
import { EXAMPLE_EVENT as EVENT } from '@trailpush/test/kit/audit-event-example.ts';
import { oracleLine } from '@trailpush/test/kit/line-oracle.ts';
import { DEFAULT_OPTIONS } from '@trailpush/test/kit/stored-options.ts';
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuditEvent } from './audit-event.ts';
import { EVENT_SCHEMA } from './event-schema.ts';
import { datasets } from './registry.ts';

/** Records whose writers used another schema than ours, encoded by avsc or by hand. */
const HEADER = Buffer.from([0xc3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
const KEY = Buffer.from('acc-1');

type Node = Record<string, unknown>;
type Field = Node & { name: string; type: unknown };
type RecordSchema = Node & { fields: Field[] };

const copyOfSchema = () => structuredClone(EVENT_SCHEMA) as RecordSchema;
const fieldOf = (schema: RecordSchema, name: string) =>
  schema.fields.find((field) => field.name === name)!;

function retype(field: Field, type: unknown): void {
  field.type = type;
  delete field['default'];
}

/** The record in a field, inside its union if it has one. */
function recordIn(schema: RecordSchema, name: string): RecordSchema {
  const { type } = fieldOf(schema, name);
  return (Array.isArray(type) ? type[1] : type) as RecordSchema;
}

function lineOf(schema: object, bytes: Buffer): string {
  const source = { lookup: () => schema, wait: async () => undefined };
  const dataset = datasets(source).get('audit_logs_v2')!;
  const reader = dataset.openReader();
  reader.load(Buffer.concat([HEADER, bytes]), KEY);
  const into = Buffer.alloc(64 * 1024);
  return into.toString(
    'utf8',
    0,
    reader.compileLine(dataset.parseOutputOptions(DEFAULT_OPTIONS).line)(into, 0),
  );
}

function wantedLine(change: Partial<AuditEvent> = {}): string {
  return oracleLine({ ...EVENT, ...change }, {});
}

function encode(schema: object, value: unknown, wrapUnions: 'auto' | 'always' = 'auto'): Buffer {
  return avro.Type.forSchema(schema as avro.Schema, { wrapUnions }).toBuffer(value);
}

function refusal(schema: object, bytes: Buffer): UndecodableRecordError {
  try {
    lineOf(schema, bytes);
  } catch (error) {
    if (error instanceof UndecodableRecordError) return error;
    throw error;
  }
  throw new Error('the record was read');
}

describe('records of another schema', () => {
  test('of an older one leave fields absent', () => {
    const schema = copyOfSchema();
    const gone = new Set(['zone', 'interface', 'owner', 'metadata', 'old_value', 'new_value']);
    schema.fields = schema.fields.filter(({ name }) => !gone.has(name));
    const actor = recordIn(schema, 'actor');
    actor.fields = actor.fields.filter(({ name }) => name !== 'token_name');
    const wanted = wantedLine({ zone: null, actor: { ...EVENT.actor, token_name: null } });
    expect(lineOf(schema, encode(schema, EVENT))).toBe(wanted);
  });

  test('may have their fields and branches in another order', () => {
    const schema = copyOfSchema();
    schema.fields.reverse();
    const actor = recordIn(schema, 'actor');
    actor.fields.reverse();
    for (const field of actor.fields) retype(field, ['string', 'null']);
    expect(lineOf(schema, encode(schema, EVENT))).toBe(wantedLine());
  });

  test('may write bytes for texts, required texts for optional ones and other numbers', () => {
    const schema = copyOfSchema();
    retype(fieldOf(recordIn(schema, 'action'), 'type'), 'string');
    retype(fieldOf(recordIn(schema, 'zone'), 'id'), 'bytes');
    retype(fieldOf(recordIn(schema, 'raw'), 'status_code'), 'int');
    const value = { ...EVENT, zone: { id: Buffer.from('z'), name: null } };
    expect(lineOf(schema, encode(schema, value))).toBe(wantedLine());
  });

  test.each([
    ['timestamp-millis', 'long', 1_708_213_921_123, 1_708_213_921_123_000],
    ['timestamp-micros', 'long', 1_708_213_921_123_456, 1_708_213_921_123_456],
    [undefined, 'long', 1_708_213_921_123_456, 1_708_213_921_123_456],
    [undefined, 'int', 2_000_000_000, 2_000_000_000],
  ])(
    'may count time with the logical type %s in a number of type %s',
    (logicalType, type, written, micros) => {
      const schema = copyOfSchema();
      fieldOf(recordIn(schema, 'action'), 'time').type = { type, logicalType };
      const value = { ...EVENT, action: { ...EVENT.action, time: written } };
      const wanted = wantedLine({ action: { ...EVENT.action, time: micros } });
      expect(lineOf(schema, encode(schema, value))).toBe(wanted);
    },
  );

  test('may have wider unions, as long as they choose what we know', () => {
    const schema = copyOfSchema();
    const uri = fieldOf(recordIn(schema, 'raw'), 'uri');
    const status = fieldOf(recordIn(schema, 'raw'), 'status_code');
    retype(uri, ['int', 'null', 'string', { type: 'array', items: 'string' }]);
    retype(status, ['null', 'string', 'long']);
    const zone = fieldOf(schema, 'zone');
    retype(zone, [{ type: 'map', values: 'string' }, 'string', ...(zone.type as unknown[])]);
    const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'always' });
    const wrapped = avro.Type.forSchema(EVENT_SCHEMA as avro.Schema, { wrapUnions: 'always' });
    // avsc turns plain objects into wrapped ones by way of the bytes.
    const base = structuredClone(wrapped.fromBuffer(encode(EVENT_SCHEMA, EVENT))) as Record<
      string,
      Node
    >;
    const write = (raw: Node, rest: Node = {}) =>
      type.toBuffer({ ...base, ...rest, raw: { ...base['raw'], ...raw } });
    expect(lineOf(schema, write({ status_code: { long: 200 } }))).toBe(wantedLine());
    const none = write({ uri: null, status_code: null }, { zone: null });
    const raw = { ...EVENT.raw, uri: null, status_code: null };
    expect(lineOf(schema, none)).toBe(wantedLine({ raw, zone: null }));
    for (const [bytes, message] of [
      [write({ uri: { int: 7 }, status_code: null }), 'gave raw.uri the type int, which'],
      [write({ uri: { array: [] }, status_code: null }), 'gave raw.uri the type array, which'],
      [write({ status_code: { string: '200' } }), 'gave raw.status_code the type string, which'],
      [write({ status_code: null }, { zone: { string: 'z' } }), 'gave zone the type string, which'],
      [write({ status_code: null }, { zone: { map: {} } }), 'gave zone the type map, which'],
    ] as const) {
      expect(refusal(schema, bytes)).toMatchObject({ reason: 'incompatible_schema' });
      expect(refusal(schema, bytes).message).toContain(message);
    }
  });

  test.each<[string, unknown, unknown, string]>([
    ['a record for a text', { type: 'record', name: 'E', fields: [] }, {}, 'the type record'],
    ['an enumeration', { type: 'enum', name: 'E', symbols: ['A'] }, 'A', 'the type enum'],
    ['fixed bytes', { type: 'fixed', name: 'E', size: 1 }, Buffer.from('x'), 'the type fixed'],
    ['a truth value', 'boolean', true, 'the type boolean'],
    ['a double', 'double', 1.5, 'the type double'],
  ])('are refused when they choose %s', (_, branch, value, message) => {
    const schema = copyOfSchema();
    const email = fieldOf(recordIn(schema, 'actor'), 'email');
    email.type = ['null', branch];
    const error = refusal(
      schema,
      encode(schema, { ...EVENT, actor: { ...EVENT.actor, email: value } }),
    );
    expect(error.reason).toBe('incompatible_schema');
    expect(error.message).toContain(`gave actor.email ${message}`);
  });

  test('are refused when a number is larger than 2^53', () => {
    const schema = copyOfSchema();
    const time = fieldOf(recordIn(schema, 'action'), 'time');
    for (const [logicalType, bytes, wanted] of [
      // 1.7e18 nanoseconds, for which microseconds are read.
      [
        'timestamp-micros',
        '80f096fbd6afa2b52f',
        /^action\.time is 17\d{17}, which is beyond 2\^53/,
      ],
      ['timestamp-millis', 'feffffffffffff1f', /^action\.time is 9\d{15}000/],
    ] as const) {
      time.type = { type: 'fixed', name: 'Varint', size: bytes.length / 2 };
      const action = { ...EVENT.action, time: Buffer.from(bytes, 'hex') };
      const value = encode(schema, { ...EVENT, action });
      time.type = { type: 'long', logicalType };
      expect(refusal(schema, value)).toMatchObject({ reason: 'incompatible_schema' });
      expect(refusal(schema, value).message).toMatch(wanted);
    }
  });

  test('are refused when their time counts anything else', () => {
    for (const logicalType of ['timestamp-nanos', 'local-timestamp-millis', 'time-micros']) {
      const schema = copyOfSchema();
      fieldOf(recordIn(schema, 'action'), 'time').type = { type: 'long', logicalType };
      expect(refusal(schema, encode(schema, EVENT)).message).toContain(
        `gave action.time the type long (${logicalType})`,
      );
    }
  });

  test('share named types, in any namespace', () => {
    const schema = copyOfSchema();
    Object.assign(schema, { name: 'other.Thing', namespace: undefined });
    // Defined in the namespace of the record that they stand in, and referred to from another one.
    const pair: Node = { type: 'record', name: 'Pair' };
    pair['fields'] = [
      { name: 'id', type: 'string' },
      { name: 'mark', type: { type: 'enum', name: 'Mark', symbols: ['A', 'B'] } },
      { name: 'again', type: 'Mark' },
      { name: 'name', type: ['null', 'string'] },
    ];
    const lists = { type: 'record', name: 'List', namespace: 'lists', fields: [] as Field[] };
    lists.fields = [
      { name: 'first', type: pair },
      { name: 'second', type: 'Pair' },
      { name: 'third', type: ['null', 'List'] },
    ];
    schema.fields.splice(1, 0, { name: 'lists', type: lists });
    fieldOf(schema, 'account').type = ['null', 'lists.Pair'];
    fieldOf(schema, 'organization').type = ['null', 'lists.Pair'];
    schema.fields.splice(4, 0, { name: 'again', type: 'lists.Pair' });
    const one = { id: 'x', mark: 'B', again: 'A', name: null };
    const third = { first: one, second: one, third: null };
    const account = { ...one, ...EVENT.account };
    const value = { ...EVENT, account, lists: { ...third, third }, again: one };
    expect(lineOf(schema, encode(schema, value))).toBe(wantedLine());
  });

  test('may have any other fields anywhere', () => {
    const place = fc.record({
      inside: fc.constantFrom('', 'actor', 'raw', 'resource'),
      at: fc.nat({ max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(typedValueArbitrary, place), { maxLength: 4 }), (extras) => {
        const schema = copyOfSchema();
        const written = structuredClone(EVENT) as unknown as Record<string, Node>;
        extras.forEach(([{ type, value }, { inside, at }], index) => {
          const field = { name: `extra${index}`, type };
          (inside === '' ? schema : recordIn(schema, inside)).fields.splice(at, 0, field);
          (inside === '' ? written : written[inside]!)[field.name] = value;
        });
        expect(lineOf(schema, encode(schema, written))).toBe(wantedLine());
      }),
      { numRuns: 500 },
    );
  });
});
