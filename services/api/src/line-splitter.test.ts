import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { LineSplitter } from './line-splitter.ts';

function split(chunks: readonly Buffer[], maxLineBytes = 100): [number, string | undefined][] {
  const lines: [number, string | undefined][] = [];
  const splitter = new LineSplitter(maxLineBytes, (number, bytes) => {
    lines.push([number, bytes?.toString()]);
  });
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    const lines = fc.array(fc.stringMatching(/^[ a-zé€]{0,12}$/), { maxLength: 20 });
    fc.assert(
      fc.property(
        lines,
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (texts, ends, sizes) => {
          const bytes = Buffer.from(texts.join('\n') + (ends ? '\n' : ''));
          const chunks: Buffer[] = [];
          for (let at = 0; at < bytes.length;) {
            const size = sizes[chunks.length % sizes.length]!;
            chunks.push(bytes.subarray(at, at + size));
            at += size;
          }
          const expected = texts
            .map((text, index) => [index + 1, text])
            .filter(([, text]) => (text as string).trim() !== '');
          expect(split(chunks)).toEqual(expected);
        },
      ),
    );
  });

  it('reports a line that is too long by its number, and goes on after it', () => {
    const chunks = ['ab\nabc', 'd', 'e\nabc\nabcd'].map((text) => Buffer.from(text));
    expect(split(chunks, 3)).toEqual([
      [1, 'ab'],
      [2, undefined],
      [3, 'abc'],
      [4, undefined],
    ]);
  });

  it('takes lines that end in CR LF', () => {
    expect(split([Buffer.from('{}\r\n\r\n{}\r\n')])).toEqual([
      [1, '{}\r'],
      [3, '{}\r'],
    ]);
  });
});
