import { describe, expect, test } from 'vitest';
import { copyUtf8, literal, LITERAL_OVERRUN_BYTES, writeLiteral } from './byte-copy.ts';

const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

describe('copying', () => {
  test('moves exactly the bytes that it is told to, whatever their number and place', () => {
    const pattern = Buffer.from('aé中😀\u007f0123456789'.repeat(60));
    const lengths = [...Array(40).keys(), 398, 399, 400, 401, 407, 408, 900];
    for (const length of lengths) {
      for (const from of [0, 1, 7]) {
        // Both lie somewhere inside their memory.
        const source = Buffer.concat([Buffer.alloc(from), pattern]).subarray(from);
        const out = Buffer.alloc(length + 20, 0x55).subarray(3);
        const end = copyUtf8(viewOf(source), from, from + length, viewOf(out), 5);
        expect(end).toBe(5 + length);
        expect(out.subarray(5, end)).toEqual(source.subarray(from, from + length));
        expect(out.subarray(0, 5)).toEqual(Buffer.alloc(5, 0x55));
        expect(out.subarray(end)).toEqual(Buffer.alloc(out.length - end, 0x55));
      }
    }
  });

  test('writes constants, and nothing further behind them than it says', () => {
    for (let length = 0; length < 30; length++) {
      const text = 'The quick brown fox jumps over'.slice(0, length);
      const out = Buffer.alloc(64, 0x55);
      const end = writeLiteral(literal(text), viewOf(out), 9);
      expect(out.toString('latin1', 9, end)).toBe(text);
      const rest = out.subarray(end + LITERAL_OVERRUN_BYTES);
      expect(rest).toEqual(Buffer.alloc(rest.length, 0x55));
    }
  });
});
