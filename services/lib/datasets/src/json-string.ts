import { writeAscii } from './byte-copy.ts';
import { isLineBreakSequence, utf8SequenceLength } from './utf8.ts';

/** Bytes that a JSON string holds as they are; everything from 0x80 on needs a look. */
const PLAIN = new Uint8Array(256).fill(1, 0x20, 0x80);
PLAIN[0x22] = 0;
PLAIN[0x5c] = 0;

/** True when one of four bytes is not plain. */
function hasSpecial(word: number): boolean {
  // Each difference sets the high bit of the lowest byte that is below a space, or is the character;
  // higher bytes may borrow from that one, which changes nothing any more.
  const belowSpace = word - 0x20202020;
  const quote = (word ^ 0x22222222) - 0x01010101;
  const backslash = (word ^ 0x5c5c5c5c) - 0x01010101;
  return ((belowSpace | quote | backslash | word) & 0x80808080) !== 0;
}

/** The first byte in `[from, end)` that is not plain, or `end`. */
export function skipPlain(view: DataView, from: number, end: number): number {
  let at = from;
  while (at + 4 <= end && !hasSpecial(view.getInt32(at, true))) at += 4;
  while (at < end && PLAIN[view.getUint8(at)] === 1) at++;
  return at;
}

/**
 * Writes `[start, end)` of `view`, which should be UTF-8, as the inside of a JSON string, as
 * `JSON.stringify` would, and line breaks of Unicode as escapes. What is not UTF-8 becomes U+FFFD, so
 * that the line stays valid and the event is still delivered.
 * `out` must have room for six bytes a byte. Returns the new end.
 */
export function writeJsonText(
  view: DataView,
  start: number,
  end: number,
  out: DataView,
  at: number,
): number {
  let from = start;
  for (; from + 4 <= end; from += 4, at += 4) {
    const word = view.getInt32(from, true);
    if (hasSpecial(word)) break;
    out.setInt32(at, word, true);
  }
  while (from < end) {
    const byte = view.getUint8(from);
    if (PLAIN[byte] === 1) {
      out.setUint8(at++, byte);
      from++;
    } else if (byte < 0x80) {
      at = writeAscii(ESCAPES[byte] ?? '', out, at);
      from++;
    } else {
      const length = utf8SequenceLength(view, from, end);
      at = writeSequence(view, from, length, out, at);
      from += Math.abs(length);
    }
  }
  return at;
}

const ESCAPES = Array.from({ length: 0x80 }, (_, code) =>
  JSON.stringify(String.fromCharCode(code)).slice(1, -1),
);

function writeSequence(
  view: DataView,
  from: number,
  length: number,
  out: DataView,
  at: number,
): number {
  if (length < 0) {
    out.setUint8(at, 0xef);
    out.setUint16(at + 1, 0xbfbd);
    return at + 3;
  }
  if (isLineBreakSequence(view, from, length)) return writeLineBreakEscape(view, from, out, at);
  for (let index = 0; index < length; index++) out.setUint8(at++, view.getUint8(from + index));
  return at;
}

/** `\u0085`, `\u2028` or `\u2029`. */
export function writeLineBreakEscape(
  view: DataView,
  from: number,
  out: DataView,
  at: number,
): number {
  if (view.getUint8(from) === 0xc2) return writeAscii('\\u0085', out, at);
  return writeAscii(view.getUint8(from + 2) === 0xa8 ? '\\u2028' : '\\u2029', out, at);
}
