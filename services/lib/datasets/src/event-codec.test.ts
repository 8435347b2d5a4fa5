import { readFileSync } from 'node:fs';
import { itemText } from '@trailpush/test/kit/item-text.ts';
import { storedOptions } from '@trailpush/test/kit/stored-options.ts';
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuditEvent } from './audit-event.ts';
import { auditLogsV2 } from './audit-logs-v2.ts';
import { confluentEncoder, encodeEvent } from './event-codec.ts';
import { parseEventItem } from './event-item.ts';
import { EVENT_TYPE } from './event-schema.ts';
import { schemaFingerprint } from './fingerprint.ts';
import { parseFraming, singleObjectHeader } from './framing.ts';
import { WriterSchemas } from './writer-schemas.ts';

const OPTIONS = { maxLineBytes: 8 * 1024 * 1024, newId: () => 'id', nowMicros: () => 42 };

function eventOf(line: string): AuditEvent {
  const result = parseEventItem(Buffer.from(line), OPTIONS);
  if (!result.ok) throw new Error(result.reason);
  return result.event;
}

const decode = (value: Uint8Array, bodyAt: number): unknown =>
  EVENT_TYPE.fromBuffer(Buffer.from(value.subarray(bodyAt)));

/** Objects of avsc have prototypes of their own, which say nothing. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const text = fc.option(fc.string({ unit: 'grapheme' }));
const body = fc.option(fc.json({ maxDepth: 5 }).filter((json) => json !== 'null'));
const identifier = fc.stringMatching(/^[!-~]{1,40}$/);
const named = fc.record({ id: identifier, name: text });

const anyEvent: fc.Arbitrary<AuditEvent> = fc.record({
  id: identifier,
  account: named,
  organization: fc.option(named),
  action: fc.record({
    description: text,
    result: text,
    time: fc.integer({ min: 0, max: 7_258_118_399_999_999 }),
    type: text,
  }),
  actor: fc.record({
    context: text,
    email: text,
    id: text,
    ip_address: text,
    token_id: text,
    token_name: text,
    type: text,
  }),
  raw: fc.record({
    cf_ray_id: text,
    method: text,
    status_code: fc.option(fc.nat()),
    uri: text,
    user_agent: text,
  }),
  resource: fc.record({
    id: text,
    product: text,
    request: body,
    response: body,
    scope: text,
    type: text,
    value: body,
  }),
  zone: fc.option(fc.record({ id: text, name: text })),
  interface: text,
  owner: fc.option(fc.record({ id: identifier })),
  metadata: body,
  old_value: body,
  new_value: body,
});

describe('from a line to a record and back', () => {
  test('every value is kept, bodies to the byte', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const read = eventOf(itemText(event));
        expect(plain(read)).toEqual(plain(event));
        expect(plain(decode(encodeEvent(read), 10))).toEqual(plain(event));
      }),
    );
  });

  test('events larger than the scratch buffer are whole, and leave smaller ones alone', () => {
    const small = eventOf('{"account":{"id":"a"}}');
    for (const length of [65_000, 65_536, 66_000, 500_000]) {
      const large = eventOf(`{"account":{"id":"a"},"metadata":"${'é'.repeat(length / 2)}"}`);
      const value = encodeEvent(large);
      expect(decode(value, 10)).toMatchObject({ metadata: large.metadata });
      expect(decode(encodeEvent(small), 10)).toMatchObject({ metadata: null });
    }
  });

  test('records do not share their bytes', () => {
    const first = encodeEvent(eventOf('{"account":{"id":"a"},"id":"1"}'));
    encodeEvent(eventOf('{"account":{"id":"a"},"id":"2"}'));
    expect(decode(first, 10)).toMatchObject({ id: '1' });
  });
});

describe('framing', () => {
  const event = eventOf('{"account":{"id":"a"}}');

  test('is the fingerprint of our schema without a registry', () => {
    const header = singleObjectHeader(schemaFingerprint(EVENT_TYPE));
    expect(Buffer.from(encodeEvent(event)).subarray(0, 10)).toEqual(header);
  });

  test('is the id of the schema with one', () => {
    const value = confluentEncoder(70_000)(event);
    expect(parseFraming(value)).toEqual({ kind: 'confluent', id: 70_000, bodyAt: 5 });
    expect(plain(decode(value, 5))).toEqual(plain(event));
  });
});

describe('records of other writers as lines', () => {
  function lineOf(name: string, event: object): Record<string, unknown> {
    const file = new URL(`../../../../test/golden/avro/${name}.avsc`, import.meta.url);
    const schema = JSON.parse(readFileSync(file, 'utf8')) as object;
    const writer = avro.Type.forSchema(schema as avro.Schema);
    const header = singleObjectHeader(schemaFingerprint(writer));
    const schemas = new WriterSchemas({ schemas: [schema] });
    const dataset = auditLogsV2(schemas);
    const reader = dataset.openReader();
    const value = Buffer.concat([header, writer.toBuffer(event)]);
    expect(reader.load(value, Buffer.from('acc'))).toBe(true);
    const into = Buffer.alloc(100_000);
    const { line } = dataset.parseOutputOptions(storedOptions({ timestamp_format: 'rfc3339' }));
    const end = reader.compileLine(line)(into, 0);
    return JSON.parse(into.toString('utf8', 0, end)) as Record<string, unknown>;
  }

  const event = eventOf(
    `{"id":"i","account":{"id":"acc"},"action":{"type":"create","time":"2026-05-21T15:00:00Z"},
      "actor":{"email":"é@example.com","id":"u"},"raw":{"method":"PUT","status_code":200},
      "resource":{"id":"r","request":{"a":1},"response":[2],"value":3},"zone":{"name":"z"}}`,
  );
  const expected = {
    AccountID: 'acc',
    ActionTimestamp: '2026-05-21T15:00:00Z',
    ActionType: 'create',
    ActorEmail: 'é@example.com',
    ActorID: 'u',
    AuditLogID: 'i',
    Raw: { method: 'PUT', status_code: 200 },
    ResourceID: 'r',
    ResourceRequest: { a: 1 },
    ResourceResponse: [2],
    ZoneName: 'z',
  };

  test('an earlier one, which knows fewer fields', () => {
    expect(lineOf('older', event)).toMatchObject({ ...expected, ResourceValue: {} });
  });

  test('a later one, which has more fields and wider unions', () => {
    const hop = { host: 'h', millis: 1.5, next: { host: 'i', millis: 2, next: null } };
    const origin = {
      region: 'weur',
      kind: 'CORE',
      digest: Buffer.from('abcd'),
      labels: { a: 'b', c: 'd' },
      hops: [hop, hop],
      sampled: true,
      weight: 0.5,
      blob: Buffer.alloc(300),
    };
    const later = {
      ...event,
      sequence: 2 ** 50,
      origin,
      actor: { ...event.actor, session: Buffer.from('efgh') },
    };
    expect(lineOf('newer', later)).toMatchObject({ ...expected, ResourceValue: 3 });
  });
});
