import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { JsonBodyError, MAX_JSON_DEPTH, parseStrictJson } from './strict-json.ts';

const parse = (text: string) => parseStrictJson(Buffer.from(text));
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('parseStrictJson', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 6, noUnicodeString: false, stringUnit: 'binary' }),
        fc.nat(2),
        (value, indent) => {
          const text = JSON.stringify(value, undefined, indent);
          expect(parse(text)).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it.each([
    ['{"enabled":true,"enabled":false}', 'has the key "enabled" twice'],
    ['{"a":[{"b":1,"c":{},"\\u0062":2}]}', 'has the key "b" twice'],
    [nested(MAX_JSON_DEPTH + 1), 'is nested deeper than 32'],
    [nested(1_000_000), 'is nested deeper than 32'],
    ['{"max_upload_bytes":1e400}', 'has a number that is too large'],
    ['{"name":"\\ud800"}', 'has text with half of a surrogate pair'],
    ['{"\\udc00":1}', 'has text with half of a surrogate pair'],
    ['\ufeff{"enabled":true}', 'is not JSON'],
    ['{"a":1', 'is not JSON'],
    ['', 'is not JSON'],
    ['{"a\\', 'is not JSON'],
    [']{', 'is not JSON'],
  ])('refuses %.60s', (text, message) => {
    expect(() => parse(text)).toThrow(JsonBodyError);
    expect(() => parse(text)).toThrow(message);
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseStrictJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow('is not UTF-8');
  });

  it('accepts the deepest nesting, and one key in several objects and in a value', () => {
    expect(() => parse(nested(MAX_JSON_DEPTH))).not.toThrow();
    expect(parse('{"a":{"a":"a"},"b":[{"a":1},{"a":2}],"c":"a, \\"b\\": {"}')).toEqual({
      a: { a: 'a' },
      b: [{ a: 1 }, { a: 2 }],
      c: 'a, "b": {',
    });
  });
});
