import { isLineBreakSequence, utf8SequenceLength, writeLineBreakEscape } from './json-body.ts';

/** 0: copy as it is. 1: needs a look. Everything from 0x80 on needs a look. */
const NEEDS_LOOK = new Uint8Array(256).fill(1, 0x80);
NEEDS_LOOK.fill(1, 0, 0x20);
NEEDS_LOOK[0x22] = 1;
NEEDS_LOOK[0x5c] = 1;

const SHORT_ESCAPES = new Map([
  [0x22, '\\"'],
  [0x5c, '\\\\'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
]);

/**
 * Writes `bytes[start, end)`, which should be UTF-8, as the inside of a JSON string. Bytes that are not
 * UTF-8 become U+FFFD, so that the line stays valid and the event is still delivered.
 * `into` must have room for six bytes a byte. Returns the new end.
 */
export function writeJsonText(bytes: Uint8Array, start: number, end: number, into: Buffer, to: number): number {
  let out = to;
  let at = start;
  while (at < end) {
    const byte = bytes[at] ?? 0;
    if (NEEDS_LOOK[byte] === 0) {
      into[out++] = byte;
      at++;
    } else if (byte < 0x80) {
      const escape = SHORT_ESCAPES.get(byte) ?? `\\u${byte.toString(16).padStart(4, '0')}`;
      out += into.latin1Write(escape, out);
      at++;
    } else {
      const length = utf8SequenceLength(bytes, at, end);
      if (length === 0) {
        into[out++] = 0xef;
        into[out++] = 0xbf;
        into[out++] = 0xbd;
        at++;
      } else if (isLineBreakSequence(bytes, at, length)) {
        out = writeLineBreakEscape(bytes, at, length, into, out);
        at += length;
      } else {
        for (const stop = at + length; at < stop; at++) into[out++] = bytes[at] ?? 0;
      }
    }
  }
  return out;
}
