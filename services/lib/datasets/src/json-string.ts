import { writeAscii } from './byte-copy.ts';
import { isLineBreakSequence, utf8SequenceLength } from './utf8.ts';

/** Bytes that a JSON string holds as they are; everything from 0x80 on needs a look. */
const PLAIN = new Uint8Array(256).fill(1, 0x20, 0x80);
PLAIN[0x22] = 0;
PLAIN[0x5c] = 0;

/** The high bit of each of four bytes, from the lowest one that is not plain on; 0 when all are. */
function specialBits(word: number): number {
  // A difference sets the high bit of a byte that is below a space, or is the character; what is not ASCII
  // has it in one of them. Higher bytes may have to lend to that one, and their bits mean nothing.
  const belowSpace = word - 0x20202020;
  const quote = (word ^ 0x22222222) - 0x01010101;
  const backslash = (word ^ 0x5c5c5c5c) - 0x01010101;
  return (belowSpace | quote | backslash) & 0x80808080;
}

/** Which of four bytes the lowest bit belongs to. */
function lowestByte(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >> 3;
}

/** The first byte in `[from, end)` that is not plain, or `end`. */
export function skipPlain(view: DataView, from: number, end: number): number {
  let at = from;
  for (; at + 4 <= end; at += 4) {
    const bits = specialBits(view.getInt32(at, true));
    if (bits !== 0) return at + lowestByte(bits);
  }
  while (at < end && PLAIN[view.getUint8(at)] === 1) at++;
  return at;
}

/** `skipPlain`, copying what it skips. Up to three bytes behind it are overwritten, too. */
function copyPlain(view: DataView, start: number, end: number, out: DataView, at: number): number {
  const shift = at - start;
  let from = start;
  for (; from + 4 <= end; from += 4) {
    const word = view.getInt32(from, true);
    out.setInt32(from + shift, word, true);
    const bits = specialBits(word);
    if (bits !== 0) return from + lowestByte(bits);
  }
  if (from === end) return end;
  if (end - start < 4) return copyShortPlain(view, start, end, out, at);
  // The last four bytes once more: those before the rest are known to be plain.
  const last = view.getInt32(end - 4, true);
  out.setInt32(end - 4 + shift, last, true);
  const bits = specialBits(last);
  return bits === 0 ? end : end - 4 + lowestByte(bits);
}

function copyShortPlain(
  view: DataView,
  start: number,
  end: number,
  out: DataView,
  at: number,
): number {
  const shift = at - start;
  let from = start;
  for (; from < end; from++) {
    const byte = view.getUint8(from);
    if (PLAIN[byte] === 0) break;
    out.setUint8(from + shift, byte);
  }
  return from;
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
  const from = copyPlain(view, start, end, out, at);
  const to = at + from - start;
  return from === end ? to : writeOddText(view, from, end, out, to);
}

function writeOddText(
  view: DataView,
  start: number,
  end: number,
  out: DataView,
  at: number,
): number {
  let from = start;
  let to = at;
  while (from < end) {
    const byte = view.getUint8(from);
    if (byte < 0x80) {
      to = writeAscii(ESCAPES[byte] ?? '', out, to);
      from++;
    } else {
      const length = utf8SequenceLength(view, from, end);
      to = writeSequence(view, from, length, out, to);
      from += Math.abs(length);
    }
    const plainEnd = copyPlain(view, from, end, out, to);
    to += plainEnd - from;
    from = plainEnd;
  }
  return to;
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
