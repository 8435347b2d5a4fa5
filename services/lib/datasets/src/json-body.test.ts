import { UndecodableRecordError } from '@trailpush/core';
import { jsonTextArbitrary } from '@trailpush/test/kit/audit-event-arbitrary.ts';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkJsonBody, copyRewritten, MAX_BODY_DEPTH } from './json-body.ts';

interface BodyCase {
  readonly name: string;
  readonly json?: string;
  readonly hex?: string;
  readonly accept: boolean;
}

const CASES = JSON.parse(
  readFileSync(new URL('../../../../test/cases/json-bodies.json', import.meta.url), 'utf8'),
) as BodyCase[];

/**
 * Undefined when the body is accepted. Bytes around it that would complete it must not help, and it may
 * lie at the very end of the memory.
 */
function refusal(body: Uint8Array, around = ''): UndecodableRecordError | undefined {
  const [before, after] = [Buffer.from(around, 'latin1'), Buffer.from(around.repeat(8), 'latin1')];
  const bytes = new Uint8Array(before.length + body.length + after.length);
  bytes.set(before);
  bytes.set(body, before.length);
  bytes.set(after, before.length + body.length);
  try {
    checkJsonBody(bytes, before.length, before.length + body.length);
    return undefined;
  } catch (error) {
    if (error instanceof UndecodableRecordError) return error;
    throw error;
  }
}

function acceptedByParser(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The body as it stands in the line. */
function inLine(text: string): string {
  const body = Buffer.from(text);
  if (!checkJsonBody(body, 0, body.length)) return text;
  const out = Buffer.alloc(3 * body.length);
  const view = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return out.toString('utf8', 0, copyRewritten(view(body), 0, body.length, view(out), 0));
}

describe('the check of a body', () => {
  test.each(CASES)('$accept: $name', ({ json, hex, accept }) => {
    const body = hex === undefined ? Buffer.from(json ?? '') : Buffer.from(hex, 'hex');
    for (const around of ['', '1', '"', ']', '}', 'e', '\u0080', ' ']) {
      expect(refusal(body, around)?.reason).toBe(accept ? undefined : 'body_not_json');
    }
  });

  test.each([
    ['three', 3, '{}[],:"\\10-.e un'],
    ['four', 4, '{}[],:"1'],
  ])('agrees with JSON.parse on all texts of up to %s characters', (_, longest, alphabet) => {
    const disagreeing: string[] = [];
    const visit = (text: string) => {
      if (acceptedByParser(text) !== (refusal(Buffer.from(text)) === undefined)) {
        disagreeing.push(text);
      }
      if (text.length < longest) for (const char of alphabet) visit(text + char);
    };
    visit('');
    expect(disagreeing).toEqual([]);
  });

  test('agrees with JSON.parse on damaged JSON', () => {
    const damage = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      remove: fc.integer({ min: 0, max: 3 }),
      insert: fc.oneof(
        fc.constantFrom(
          '',
          ',',
          ':',
          '"',
          '\\',
          '{',
          '}',
          '[',
          ']',
          '0',
          '-',
          '.',
          'e',
          '\n',
          '\u0001',
        ),
        fc.string({ unit: 'binary', maxLength: 3 }),
      ),
    });
    fc.assert(
      fc.property(jsonTextArbitrary, fc.array(damage, { maxLength: 2 }), (json, damages) => {
        let text = json;
        for (const { at, remove, insert } of damages) {
          const from = Math.floor(at * text.length);
          text = text.slice(0, from) + insert + text.slice(from + remove);
        }
        text = text.toWellFormed();
        expect(refusal(Buffer.from(text)) === undefined).toBe(acceptedByParser(text));
      }),
      { numRuns: 5000 },
    );
  });

  test('agrees with a strict decoder on what is UTF-8', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const byte = fc.oneof(
      fc.integer({ min: 0x20, max: 0xff }),
      fc.constantFrom(0x80, 0x85, 0xa0, 0xbf, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf4),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 6 }), (inside) => {
        const bytes = inside.filter((code) => code !== 0x22 && code !== 0x5c);
        const isUtf8 = (() => {
          try {
            decoder.decode(Buffer.from(bytes));
            return true;
          } catch {
            return false;
          }
        })();
        expect(refusal(Buffer.from([0x22, ...bytes, 0x22])) === undefined).toBe(isUtf8);
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    ['arrays', '[', '', ']'],
    ['objects', '{"a":', '{}', '}'],
    ['both', '[{"a":', '0', '}]'],
  ])(
    'takes %s nested 64 deep, no deeper, and any depth without recursion',
    (_, open, core, close) => {
      const levels = open.replace('"a":', '').length;
      const nest = (depth: number) => {
        const pairs = Math.ceil(depth / levels);
        return Buffer.from(open.repeat(pairs) + core + close.repeat(pairs));
      };
      const within = nest(core === '{}' ? MAX_BODY_DEPTH - 1 : MAX_BODY_DEPTH);
      expect(refusal(within)).toBeUndefined();
      for (const depth of [MAX_BODY_DEPTH + 1, 20_000, 1_000_000]) {
        expect(refusal(nest(depth))).toMatchObject({
          reason: 'body_too_deep',
          message: 'nested deeper than 64 levels',
        });
      }
    },
  );

  test('names the byte, counted from the start of the body', () => {
    expect(refusal(Buffer.from('{"a":1,}'))?.message).toBe(
      'not JSON at byte 7: a key was expected',
    );
    expect(refusal(Buffer.from('["a'))?.message).toBe(
      'not JSON at byte 3: it ends inside a string',
    );
  });
});

describe('a body in its line', () => {
  test('keeps every byte when it has no line break', () => {
    const odd = '{ "n":1506702504433000123,"e":1.50E+2,\t"s":"\\u0041\\/é<" ,"a":[ ],"a":0}';
    expect(inLine(odd)).toBe(odd);
  });

  test('stands on one line and says the same', () => {
    fc.assert(
      fc.property(jsonTextArbitrary, (text) => {
        const line = inLine(text);
        expect(line).not.toMatch(/[\n\r\u0085\u2028\u2029]/);
        expect(JSON.parse(line)).toEqual(JSON.parse(text));
        if (!/[\n\r\u0085\u2028\u2029]/.test(text)) expect(line).toBe(text);
      }),
      { numRuns: 3000 },
    );
  });

  test('stands on one line when it was written over many', () => {
    const value = { a: [1, { b: 'x\ny\u2028z\u0085' }], c: {} };
    const line = inLine(JSON.stringify(value, null, 2).replaceAll('\n', '\r\n'));
    expect(line).not.toMatch(/[\n\r\u0085\u2028\u2029]/);
    expect(JSON.parse(line)).toEqual(value);
  });
});
