import type { EventReader } from '@trailpush/core';
import {
  encoderOfBytes,
  eventArbitrary,
  keyOf,
  MAX_AVSC_LONG,
} from '@trailpush/test/kit/audit-event-arbitrary.ts';
import { EXAMPLE_EVENT } from '@trailpush/test/kit/audit-event-example.ts';
import { oracleLine } from '@trailpush/test/kit/line-oracle.ts';
import { outcomeOf, type Outcome } from '@trailpush/test/kit/reader-outcome.ts';
import { DEFAULT_OPTIONS } from '@trailpush/test/kit/stored-options.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuditEvent } from './audit-event.ts';
import { encodeEvent } from './event-codec.ts';
import { EVENT_SCHEMA, EVENT_TYPE } from './event-schema.ts';
import { datasets } from './registry.ts';
import { WriterSchemas } from './writer-schemas.ts';

/** Whatever a record holds, it becomes a line that is right, or a dead letter with a reason. */
const dataset = datasets(new WriterSchemas({})).get('audit_logs_v2')!;
const OPTIONS = dataset.parseOutputOptions(DEFAULT_OPTIONS).line;
const HEADER_BYTES = 10;

/** The same record among two different neighbours, so that reading one of them would show. */
function outcomeAmong(value: Buffer, key: string | Buffer, reader: EventReader): Outcome {
  const [first, second] = [0x00, 0xff].map((fill) => {
    const around = Buffer.alloc(64, fill);
    const all = Buffer.concat([around, value, around]);
    return outcomeOf(reader, OPTIONS, { value: all.subarray(64, 64 + value.length), key });
  });
  expect(first).toEqual(second);
  return first!;
}

function refusal(value: Uint8Array): Outcome {
  return outcomeOf(dataset.openReader(), OPTIONS, { value, key: 'acc-1' });
}

describe('a damaged record', () => {
  const value = Buffer.from(encodeEvent(EXAMPLE_EVENT));

  test('is refused wherever it was cut off', () => {
    const reader = dataset.openReader();
    for (let length = 0; length < value.length; length++) {
      const { reason } = outcomeAmong(value.subarray(0, length), 'acc-1', reader);
      expect([length, reason]).toEqual([length, 'not_avro']);
    }
  });

  test('is refused when something follows it', () => {
    for (const extra of [1, 2, 1000]) {
      const outcome = refusal(Buffer.concat([value, Buffer.alloc(extra)]));
      expect(outcome.reason).toBe('not_avro');
      expect(outcome.message).toContain(`it goes on for ${extra} bytes after its event`);
    }
  });

  test.each([
    ['nothing', ''],
    ['the marker alone', 'c301'],
    ['another marker', 'c302aaaaaaaaaaaaaaaa00'],
    ['JSON', Buffer.from('{"id":1}').toString('hex')],
    ['the first byte of the framing of a registry', '00'],
    ['text', 'ffffffff'],
  ])('is refused when it is %s', (_, hex) => {
    expect(refusal(Buffer.from(hex, 'hex')).reason).toBe('not_avro');
  });

  test('is refused when its schema is not known', () => {
    const other = Buffer.from(value);
    other[2]! ^= 1;
    expect(refusal(other)).toMatchObject({
      reason: 'unknown_schema',
      message: expect.stringContaining('is not a known schema') as string,
    });
  });

  test('is refused, or read as avsc reads it, when bytes of it changed', () => {
    const reader = dataset.openReader();
    const encode = encoderOfBytes(EVENT_SCHEMA);
    const damage = fc.array(
      fc.record({
        at: fc.nat(),
        remove: fc.nat({ max: 3 }),
        insert: fc.uint8Array({ maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    const lines = { read: 0, refused: 0 };
    fc.assert(
      fc.property(eventArbitrary, damage, (event, damages) => {
        let body = encode(event);
        for (const { at, remove, insert } of damages) {
          const from = at % (body.length + 1);
          body = Buffer.concat([body.subarray(0, from), insert, body.subarray(from + remove)]);
        }
        const record = Buffer.concat([value.subarray(0, HEADER_BYTES), body]);
        const { line } = outcomeAmong(record, keyOf(event), reader);
        if (line === undefined) {
          lines.refused++;
          return;
        }
        lines.read++;
        const decoded = EVENT_TYPE.fromBuffer(body) as AuditEvent;
        if (Math.abs(decoded.action.time) > MAX_AVSC_LONG) return;
        const wanted = oracleLine(decoded, {});
        expect(line).toBe(Buffer.from(wanted).toString('latin1'));
      }),
      { numRuns: 3000 },
    );
    expect(lines.read).toBeGreaterThan(0);
    expect(lines.refused).toBeGreaterThan(0);
  });

  test('is refused when it is noise', () => {
    const reader = dataset.openReader();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const record = Buffer.concat([value.subarray(0, HEADER_BYTES), noise]);
        expect(outcomeAmong(record, 'acc-1', reader).reason).toBeDefined();
      }),
      { numRuns: 3000 },
    );
  });
});
