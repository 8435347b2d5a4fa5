import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogRecord } from '@trailpush/core';
import { decodeFrames, encodeFrames, frameBytes } from './framing.ts';
import type { ChunkHeader } from './framing.ts';

const frames = fc.array(
  fc.record({ key: fc.uint8Array({ maxLength: 40 }), value: fc.uint8Array({ maxLength: 300 }) }),
  { minLength: 1, maxLength: 30 },
);

function headerOf(data: Uint8Array, records: number, baseOffset: number): ChunkHeader {
  return { baseOffset, records, timestampMs: 17, bytes: data.byteLength };
}

function decode(data: Buffer, header: ChunkHeader, fromOffset: number): LogRecord[] {
  const into: LogRecord[] = [];
  decodeFrames(data, header, fromOffset, into);
  return into;
}

describe('framing', () => {
  it('gives back what was framed, from any offset on', () => {
    fc.assert(
      fc.property(frames, fc.nat(2 ** 40), fc.nat(40), (given, baseOffset, skipped) => {
        const data = encodeFrames(given);
        expect(data.byteLength).toBe(given.reduce((sum, frame) => sum + frameBytes(frame), 0));
        const header = headerOf(data, given.length, baseOffset);
        const found = decode(data, header, baseOffset + skipped);
        expect(found).toHaveLength(Math.max(0, given.length - skipped));
        for (const [i, record] of found.entries()) {
          const frame = given[i + skipped]!;
          expect(record.offset).toBe(baseOffset + skipped + i);
          expect(record.timestampMs).toBe(17);
          expect(Buffer.compare(record.key!, frame.key)).toBe(0);
          expect(Buffer.compare(record.value!, frame.value)).toBe(0);
        }
      }),
    );
  });

  it('refuses a chunk that is cut short or too long', () => {
    fc.assert(
      fc.property(
        frames,
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        (given, n, more) => {
          const data = encodeFrames(given);
          const header = headerOf(data, given.length, 0);
          const short = data.subarray(0, n % data.byteLength);
          expect(() => decode(short, header, 0)).toThrow(/are not \d+ records/);
          expect(() => decode(Buffer.concat([data, more]), header, 0)).toThrow(
            /are not \d+ records/,
          );
        },
      ),
    );
  });

  it('never reads beyond a chunk of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (bytes, records) => {
        const data = Buffer.from(bytes);
        try {
          const found = decode(data, headerOf(data, records, 0), 0);
          const used = found.reduce(
            (sum, { key, value }) => sum + frameBytes({ key: key!, value: value! }),
            0,
          );
          expect([found.length, used]).toEqual([records, data.byteLength]);
        } catch (error) {
          expect((error as Error).message).toMatch(/^the \d+ bytes stored at offset 0 are not/);
        }
      }),
    );
  });
});
