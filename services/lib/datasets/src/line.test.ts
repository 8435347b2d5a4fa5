import { TIMESTAMP_FORMATS, type EventReader, type LineWriter } from '@trailpush/core';
import {
  encoderOfBytes,
  eventArbitrary,
  keyOf,
} from '@trailpush/test/kit/audit-event-arbitrary.ts';
import { EXAMPLE_EVENT } from '@trailpush/test/kit/audit-event-example.ts';
import { oracleLine } from '@trailpush/test/kit/line-oracle.ts';
import { storedOptions, type RawOptions } from '@trailpush/test/kit/stored-options.ts';
import fc from 'fast-check';
import { isUtf8 } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import type { AuditEvent } from './audit-event.ts';
import { encodeEvent } from './event-codec.ts';
import { EVENT_SCHEMA, EVENT_TYPE } from './event-schema.ts';
import { datasets } from './registry.ts';

/**
 * Lines are compared byte for byte with those of an oracle that decodes with avsc and writes with
 * JSON.stringify. What holds for every line is checked apart from it, on the bytes.
 */
const dataset = datasets({ lookup: () => EVENT_SCHEMA, wait: async () => undefined }).get(
  'audit_logs_v2',
)!;
const FIELD_NAMES = dataset.fields.map(({ name }) => name);
const HEADER = Buffer.from([0xc3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
const encode = encoderOfBytes(EVENT_SCHEMA);

type LineOptions = RawOptions & { readonly field_names: readonly string[] };

const plainArbitrary: fc.Arbitrary<LineOptions> = fc.record({
  field_names: fc.oneof(
    fc.constant(FIELD_NAMES),
    fc.shuffledSubarray(FIELD_NAMES, { minLength: 1 }),
  ),
  timestamp_format: fc.constantFrom(...TIMESTAMP_FORMATS),
});

const constant = fc.constantFrom('', ',', '$', '{', '${', '\n', '\u2028', 'é"😀', 'x'.repeat(50));
const templateArbitrary = fc
  .array(fc.oneof(constant, fc.constantFrom(...FIELD_NAMES.map((name) => `{{ .${name} }}`))))
  // Two constants may make the beginning of an action.
  .map((pieces) => pieces.filter((piece, at) => piece !== '{' || pieces[at - 1] !== '{').join(''));

const optionsArbitrary: fc.Arbitrary<LineOptions> = fc
  .tuple(
    plainArbitrary,
    fc.record(
      {
        output_type: fc.constantFrom('ndjson', 'csv'),
        record_prefix: constant,
        record_suffix: constant,
        field_delimiter: constant,
        record_template: templateArbitrary,
        'CVE-2021-44228': fc.boolean(),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([plain, more]) => ({ ...plain, ...more }))
  .filter((options) => isAccepted(options) && options.record_template !== '');

function isAccepted(options: RawOptions): boolean {
  try {
    dataset.parseOutputOptions(storedOptions(options));
    return true;
  } catch {
    return false;
  }
}

function writerOf(reader: EventReader, options: RawOptions): LineWriter {
  return reader.compileLine(dataset.parseOutputOptions(storedOptions(options)).line);
}

function lineOf(reader: EventReader, options: RawOptions, room = 1 << 20): Buffer {
  const into = Buffer.alloc(room, 0xff);
  const end = writerOf(reader, options)(into, 7);
  return into.subarray(7, end);
}

function expectOneLine(line: Buffer): void {
  expect(line.indexOf(0x0a)).toBe(line.length - 1);
  expect(line.includes(0x0d)).toBe(false);
  for (const char of ['\u0085', '\u2028', '\u2029']) expect(line.includes(char)).toBe(false);
  expect(isUtf8(line)).toBe(true);
  expect(JSON.parse(line.toString())).toBeTypeOf('object');
}

describe('lines of audit_logs_v2', () => {
  test('equal those of the oracle for any event and output options', () => {
    const reader = dataset.openReader();
    fc.assert(
      fc.property(eventArbitrary, optionsArbitrary, (event, options) => {
        const body = encode(event);
        expect(reader.load(Buffer.concat([HEADER, body]), keyOf(event))).toBe(true);
        const wanted = oracleLine(EVENT_TYPE.fromBuffer(body) as AuditEvent, options);
        const line = lineOf(reader, options);
        expect(line.toString('latin1')).toBe(Buffer.from(wanted).toString('latin1'));
      }),
      { numRuns: 1000 },
    );
  });

  test('equal those of the oracle for any event, fields, order and timestamp format', () => {
    const reader = dataset.openReader();
    fc.assert(
      fc.property(eventArbitrary, plainArbitrary, (event, options) => {
        const body = encode(event);
        expect(reader.load(Buffer.concat([HEADER, body]), keyOf(event))).toBe(true);
        const line = lineOf(reader, options);
        const wanted = oracleLine(EVENT_TYPE.fromBuffer(body) as AuditEvent, options);
        expect(line.toString('latin1')).toBe(Buffer.from(wanted).toString('latin1'));
        expectOneLine(line);
      }),
      { numRuns: 1000 },
    );
  });

  test('are the same wherever the record lies and whatever lies around it', () => {
    const reader = dataset.openReader();
    const place = fc.record({
      before: fc.uint8Array({ maxLength: 9 }),
      after: fc.uint8Array({ maxLength: 9 }),
    });
    fc.assert(
      fc.property(eventArbitrary, place, optionsArbitrary, (event, { before, after }, options) => {
        const value = Buffer.concat([HEADER, encode(event)]);
        reader.load(value, keyOf(event));
        const alone = lineOf(reader, options);
        const all = Buffer.concat([before, value, after]);
        // Not a Buffer: adapters may hand out either.
        const inside = new Uint8Array(all.buffer, all.byteOffset + before.length, value.length);
        reader.load(inside, keyOf(event));
        expect(lineOf(reader, options)).toEqual(alone);
      }),
      { numRuns: 300 },
    );
  });

  test('say -1 when they may not fit, and are written where they fit', () => {
    const reader = dataset.openReader();
    fc.assert(
      fc.property(eventArbitrary, optionsArbitrary, (event, options) => {
        reader.load(Buffer.concat([HEADER, encode(event)]), keyOf(event));
        const line = lineOf(reader, options);
        const write = writerOf(reader, options);
        const guard = 64;
        for (let room = 64; ; room *= 2) {
          const memory = Buffer.alloc(room + guard, 0x55);
          const end = write(memory.subarray(0, room), 0);
          expect(memory.subarray(room)).toEqual(Buffer.alloc(guard, 0x55));
          if (end < 0) continue;
          expect(memory.subarray(0, end)).toEqual(line);
          break;
        }
      }),
      { numRuns: 200 },
    );
  });

  test.each<[string, Partial<AuditEvent['resource']>, number]>([
    ['a large body', { request: `"${'x'.repeat(100_000)}"` }, 1.1],
    ['a large body to rewrite', { request: `"${'\u0085'.repeat(50_000)}"` }, 1.1],
    ['a text of control characters', { id: '\u0001'.repeat(50_000) }, 1.1],
    ['a text that grows not at all', { id: 'x'.repeat(50_000) }, 6.1],
  ])('need little more room than they take: %s', (_, change, factor) => {
    const reader = dataset.openReader();
    const event = { ...EXAMPLE_EVENT, resource: { ...EXAMPLE_EVENT.resource, ...change } };
    reader.load(encodeEvent(event), Buffer.from('acc-1'));
    const line = lineOf(reader, { field_names: FIELD_NAMES });
    const write = writerOf(reader, { field_names: FIELD_NAMES });
    // The example's own texts and the room for small values come on top.
    expect(write(Buffer.alloc(Math.ceil(line.length * factor) + 5000), 0)).toBe(line.length);
    for (let room = 0; room < line.length; room += 997)
      expect(write(Buffer.alloc(room), 0)).toBe(-1);
  });

  test('never write behind the end of their room when a template repeats a field', () => {
    const reader = dataset.openReader();
    const resource = { ...EXAMPLE_EVENT.resource, id: '\u0001'.repeat(5000) };
    reader.load(encodeEvent({ ...EXAMPLE_EVENT, resource }), Buffer.from('acc-1'));
    for (const output_type of ['ndjson', 'csv'] as const) {
      const options = { output_type, record_template: '{{.ResourceID}}'.repeat(4) };
      const line = lineOf(reader, options);
      const write = writerOf(reader, options);
      for (let room = 0; room < 2 * line.length; room += 499) {
        const end = write(Buffer.alloc(room), 0);
        if (end >= 0) expect(end).toBe(line.length);
        if (room < line.length) expect(end).toBe(-1);
      }
    }
  });
});
