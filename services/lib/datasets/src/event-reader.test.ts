import type { DeadLetterReason } from '@trailpush/core';
import { EXAMPLE_EVENT as EVENT } from '@trailpush/test/kit/audit-event-example.ts';
import { outcomeOf as outcomeIn, type Outcome } from '@trailpush/test/kit/reader-outcome.ts';
import { DEFAULT_OPTIONS } from '@trailpush/test/kit/stored-options.ts';
import avro from 'avsc';
import { describe, expect, test } from 'vitest';
import type { AuditEvent } from './audit-event.ts';
import { encodeEvent } from './event-codec.ts';
import { EVENT_SCHEMA } from './event-schema.ts';
import type { Framing } from './framing.ts';
import { datasets } from './registry.ts';
import { WriterSchemas } from './writer-schemas.ts';

const dataset = datasets(new WriterSchemas({})).get('audit_logs_v2')!;
const OPTIONS = dataset.parseOutputOptions(DEFAULT_OPTIONS).line;
const HEADER_BYTES = 10;

function outcomeOf(value: Uint8Array, key: string, reader = dataset.openReader()): Outcome {
  return outcomeIn(reader, OPTIONS, { value, key });
}

const withResource = (change: Partial<AuditEvent['resource']>): AuditEvent => ({
  ...EVENT,
  resource: { ...EVENT.resource, ...change },
});

describe('a record', () => {
  test('is read with the key of its account, and with no other', () => {
    const value = encodeEvent(EVENT);
    expect(outcomeOf(value, 'acc-1').line).toContain('"AccountID":"acc-1"');
    for (const key of ['', 'acc', 'acc-', 'acc-2', 'acc-11', 'ACC-1', 'xacc-1']) {
      expect(outcomeOf(value, key)).toMatchObject({ reason: 'account_mismatch' });
    }
  });

  test('without an account is keyed by its organization', () => {
    const event = { ...EVENT, account: null, organization: { id: 'org-1', name: 'O' } };
    expect(outcomeOf(encodeEvent(event), 'org-1').line).toContain(
      '"AccountID":"","AccountName":""',
    );
    expect(outcomeOf(encodeEvent(event), '')).toMatchObject({ reason: 'account_mismatch' });
  });

  test('with both is keyed by its account', () => {
    const value = encodeEvent({ ...EVENT, organization: { id: 'org-1', name: null } });
    expect(outcomeOf(value, 'acc-1').line).toBeDefined();
    expect(outcomeOf(value, 'org-1')).toMatchObject({ reason: 'account_mismatch' });
  });

  test('with neither belongs to nobody', () => {
    const value = encodeEvent({ ...EVENT, account: null });
    for (const key of ['', 'x', 'acc-1']) {
      expect(outcomeOf(value, key)).toMatchObject({ reason: 'account_mismatch' });
    }
  });

  test.each<[string, AuditEvent, DeadLetterReason, string]>([
    [
      'a request',
      withResource({ request: '{"a":}' }),
      'body_not_json',
      'resource.request is not JSON at byte 5: a value was expected',
    ],
    [
      'a response',
      withResource({ response: ' ' }),
      'body_not_json',
      'resource.response is not JSON at byte 1',
    ],
    [
      'a value',
      withResource({ value: '[1' }),
      'body_not_json',
      'resource.value is not JSON at byte 2',
    ],
    ['metadata', { ...EVENT, metadata: 'x' }, 'body_not_json', 'metadata is not JSON at byte 0'],
    [
      'an old value',
      { ...EVENT, old_value: '01' },
      'body_not_json',
      'old_value is not JSON at byte 1',
    ],
    [
      'a new value',
      { ...EVENT, new_value: '"' },
      'body_not_json',
      'new_value is not JSON at byte 1',
    ],
    [
      'a deep body',
      withResource({ value: '['.repeat(20_000) }),
      'body_too_deep',
      'resource.value is nested deeper than 64 levels',
    ],
  ])(
    'with %s that is bad says so, however many fields are asked for',
    (_, event, reason, message) => {
      const outcome = outcomeOf(encodeEvent(event), 'acc-1');
      expect(outcome.reason).toBe(reason);
      expect(outcome.message).toContain(message);
    },
  );

  test('with an empty body has none', () => {
    const { line } = outcomeOf(
      encodeEvent(withResource({ request: '', response: '', value: '' })),
      'acc-1',
    );
    expect(line).toContain('"ResourceRequest":{},"ResourceResponse":{}');
    expect(line).toContain('"ResourceValue":{}');
  });

  test('does not inherit anything from the one before', () => {
    const reader = dataset.openReader();
    const rewritten = withResource({ request: '{\n}', value: '["\u2028"]' });
    outcomeOf(encodeEvent(rewritten), 'acc-1', reader);
    const bare = {
      ...EVENT,
      zone: null,
      resource: { ...EVENT.resource, request: '{ }', value: null },
    };
    expect(outcomeOf(encodeEvent(bare), 'acc-1', reader)).toEqual(
      outcomeOf(encodeEvent(bare), 'acc-1'),
    );
    expect(outcomeOf(encodeEvent(EVENT), 'acc-2', reader).reason).toBe('account_mismatch');
    expect(outcomeOf(encodeEvent(EVENT), 'acc-1', reader)).toEqual(
      outcomeOf(encodeEvent(EVENT), 'acc-1'),
    );
  });
});

describe('records of several schemas', () => {
  /** Our schema, in which `path` may be null. */
  function nullable(record: string | undefined, name: string): object {
    type Fields = { name: string; type: unknown }[];
    const schema = structuredClone(EVENT_SCHEMA) as unknown as { fields: Fields };
    const outer = schema.fields.find((field) => field.name === record)?.type as { fields: Fields };
    const fields = record === undefined ? schema.fields : outer.fields;
    const field = fields.find((each) => each.name === name)!;
    field.type = ['null', field.type];
    return schema;
  }
  const value = (id: number, schema: object, event: unknown) =>
    Buffer.concat([
      Buffer.from([0, 0, 0, 0, id]),
      avro.Type.forSchema(schema as avro.Schema).toBuffer(event),
    ]);
  const schemas = [EVENT_SCHEMA, nullable(undefined, 'id'), nullable('action', 'time')];
  const source = {
    lookup: (framing: Framing) =>
      schemas[framing.kind === 'confluent' ? framing.id : 0] ?? ('unknown' as const),
    wait: async () => undefined,
  };

  test('may follow one another in any order', () => {
    const reader = datasets(source).get('audit_logs_v2')!.openReader();
    const wanted = outcomeOf(encodeEvent(EVENT), 'acc-1', reader);
    for (const id of [0, 1, 0, 2, 1, 1, 0, 2, 2, 0]) {
      expect(outcomeOf(value(id, schemas[id]!, EVENT), 'acc-1', reader)).toEqual(wanted);
      // In the other framing.
      expect(outcomeOf(encodeEvent(EVENT), 'acc-1', reader)).toEqual(wanted);
    }
  });

  test('are refused when what no event is without is null', () => {
    const reader = datasets(source).get('audit_logs_v2')!.openReader();
    const noId = value(1, schemas[1]!, { ...EVENT, id: null });
    const noTime = value(2, schemas[2]!, { ...EVENT, action: { ...EVENT.action, time: null } });
    expect(outcomeOf(noId, 'acc-1', reader)).toEqual({
      reason: 'incompatible_schema',
      message: 'the event has no id',
    });
    expect(outcomeOf(noTime, 'acc-1', reader).message).toBe('the event has no action.time');
  });
});

describe('a record whose schema must be fetched', () => {
  test('waits for it, and is read then', async () => {
    const asked: Framing[] = [];
    let known: object | 'unknown' | 'pending' = 'pending';
    const source = {
      lookup: () => known,
      wait: async (framing: Framing) => {
        asked.push(framing);
        known = EVENT_SCHEMA;
      },
    };
    const reader = datasets(source).get('audit_logs_v2')!.openReader();
    const body = Buffer.from(encodeEvent(EVENT)).subarray(HEADER_BYTES);
    const value = Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), body]);
    expect(reader.load(value, Buffer.from('acc-1'))).toBe(false);
    await reader.ready();
    expect(asked).toEqual([{ kind: 'confluent', id: 7, bodyAt: 5 }]);
    expect(outcomeOf(value, 'acc-1', reader).line).toContain('"AuditLogID":"id-1"');
  });

  test('is refused when the schema does not exist', () => {
    const source = { lookup: () => 'unknown' as const, wait: async () => undefined };
    const reader = datasets(source).get('audit_logs_v2')!.openReader();
    const value = Buffer.from([0, 0, 0, 0, 7, 1]);
    expect(outcomeOf(value, 'acc-1', reader)).toEqual({
      reason: 'unknown_schema',
      message: "the writer's schema id 7 is not in the schema registry",
    });
  });
});
