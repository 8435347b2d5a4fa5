import { textArbitrary } from '@trailpush/test/kit/audit-event-arbitrary.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeJsonText } from './json-string.ts';

/**
 * What the bytes become, written behind `gap` other bytes and read from behind as many. What follows
 * them would complete a sequence.
 */
function written(bytes: Uint8Array, gap = 0): string {
  const source = Buffer.concat([Buffer.alloc(gap, '"'), bytes, Buffer.alloc(9, 0x80)]);
  const out = Buffer.alloc(gap + 6 * bytes.length, 0xff);
  const view = (buffer: Buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  const end = writeJsonText(view(source), gap, gap + bytes.length, view(out), gap);
  expect(out.subarray(0, gap)).toEqual(Buffer.alloc(gap, 0xff));
  return out.toString('latin1', gap, end);
}

/** The same, made by a decoder that replaces what is not UTF-8, and JSON.stringify. */
function wanted(bytes: Uint8Array): string {
  const text = JSON.stringify(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  return Buffer.from(
    text
      .slice(1, -1)
      .replaceAll('\u0085', '\\u0085')
      .replaceAll('\u2028', '\\u2028')
      .replaceAll('\u2029', '\\u2029'),
  ).toString('latin1');
}

describe('a text in a line', () => {
  test('is what JSON.stringify makes of it, with line breaks of Unicode escaped', () => {
    fc.assert(
      fc.property(textArbitrary, fc.integer({ min: 0, max: 9 }), (text, gap) => {
        expect(written(Buffer.from(text), gap)).toBe(wanted(Buffer.from(text)));
      }),
      { numRuns: 3000 },
    );
  });

  test('is right for every character of the first plane at every place in a word', () => {
    const codes = Array.from({ length: 0x10000 }, (_, code) => code);
    for (let from = 0; from < codes.length; from += 61) {
      const text = String.fromCharCode(...codes.slice(from, from + 61)).toWellFormed();
      const bytes = Buffer.from(`${'abcd'.slice(from % 4)}${text}z`);
      expect(written(bytes)).toBe(wanted(bytes));
    }
  });

  test('replaces what is not UTF-8 as a decoder does, whatever the bytes are', () => {
    const borders = [0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1];
    const leads = [0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff, 0x22];
    const all = [...borders, ...leads];
    const wrong: number[][] = [];
    const visit = (bytes: number[]) => {
      if (written(Buffer.from(bytes)) !== wanted(Buffer.from(bytes))) wrong.push(bytes);
      if (bytes.length < 3) for (const byte of all) visit([...bytes, byte]);
    };
    visit([]);
    expect(wrong).toEqual([]);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...all), { maxLength: 12 }), (bytes) => {
        expect(written(Buffer.from(bytes))).toBe(wanted(Buffer.from(bytes)));
      }),
      { numRuns: 3000 },
    );
  });
});
