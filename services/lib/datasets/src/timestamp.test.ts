import { TIMESTAMP_FORMATS, type TimestampFormat } from '@trailpush/core';
import { describe, expect, test } from 'vitest';
import { timestampWriter } from './timestamp.ts';

const WRITERS = new Map(TIMESTAMP_FORMATS.map((format) => [format, timestampWriter(format)]));

function written(micros: number, format: TimestampFormat, nanos = 0): string {
  const out = Buffer.alloc(64);
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  return out.toString('latin1', 0, WRITERS.get(format)!(micros, nanos, view, 0));
}

/** Beside the oracle of the lines, which covers random times: the literals that the formats are known by. */
describe('timestamps', () => {
  test.each<[TimestampFormat, number, string]>([
    ['unixnano', 1_708_213_921_123_456, '1708213921123456000'],
    ['unixnano', 1_506_702_504_433_000, '1506702504433000000'],
    ['unix', 1_708_213_921_123_456, '1708213921'],
    ['rfc3339', 1_708_213_921_123_456, '"2024-02-17T23:52:01Z"'],
    ['rfc3339ms', 1_708_213_921_123_000, '"2024-02-17T23:52:01.123Z"'],
    ['rfc3339ns', 1_708_213_921_123_456, '"2024-02-17T23:52:01.123456000Z"'],
    ['rfc3339', 1_708_213_921_999_999, '"2024-02-17T23:52:01Z"'],
    ['rfc3339ms', 1_708_213_921_999_999, '"2024-02-17T23:52:01.999Z"'],
    ['rfc3339ms', 1_708_213_921_000_000, '"2024-02-17T23:52:01.000Z"'],
    ['rfc3339ns', 1_708_213_921_000_000, '"2024-02-17T23:52:01.000000000Z"'],
    ['unixnano', 0, '0'],
    ['unix', 0, '0'],
    ['rfc3339', 0, '"1970-01-01T00:00:00Z"'],
    ['unixnano', -1, '-1000'],
    ['unix', -1, '-1'],
    ['rfc3339ms', -1, '"1969-12-31T23:59:59.999Z"'],
    ['unixnano', 999_999_999_999_999, '999999999999999000'],
    ['unixnano', 1_000_000_000_000_000, '1000000000000000000'],
    ['unixnano', Number.MAX_SAFE_INTEGER, '9007199254740991000'],
    ['unixnano', Number.MIN_SAFE_INTEGER, '-9007199254740991000'],
    ['rfc3339ns', Number.MAX_SAFE_INTEGER, '"2255-06-05T23:47:34.740991000Z"'],
    ['rfc3339ns', Number.MIN_SAFE_INTEGER, '"1684-07-28T00:12:25.259009000Z"'],
  ])('as %s: %i us are %s', (format, micros, text) => {
    expect(written(micros, format)).toBe(text);
  });

  test.each<[TimestampFormat, number, number, string]>([
    ['unixnano', 1_708_213_921_123_456, 789, '1708213921123456789'],
    ['unixnano', 1_506_702_504_433_000, 200, '1506702504433000200'],
    ['unixnano', -1, 1, '-999'],
    ['unixnano', 0, 7, '7'],
    ['rfc3339ns', 1_708_213_921_123_456, 7, '"2024-02-17T23:52:01.123456007Z"'],
    ['rfc3339ms', 1_708_213_921_999_999, 999, '"2024-02-17T23:52:01.999Z"'],
    ['unix', 1_708_213_921_999_999, 999, '1708213921'],
  ])('as %s: %i us and %i ns are %s', (format, micros, nanos, text) => {
    expect(written(micros, format, nanos)).toBe(text);
  });

  test('do not remember the minute of another time', () => {
    for (const second of [59, 60, 61, 119, 120, 59, -1, 0, 60]) {
      const text = new Date(second * 1000).toISOString().replace('.000', '');
      expect(written(second * 1_000_000, 'rfc3339')).toBe(`"${text}"`);
    }
  });
});
