/**
 * Length of the UTF-8 sequence at `at`, a byte from 0x80 on. When it is not valid (overlong forms,
 * surrogates, anything above U+10FFFF and broken ones), the length of what a decoder replaces by one
 * U+FFFD, negative: the longest beginning of a valid sequence, else one byte (Unicode 3.9, WHATWG).
 */
export function utf8SequenceLength(view: DataView, at: number, end: number): number {
  const lead = view.getUint8(at);
  if (lead < 0xc2 || lead > 0xf4) return -1;
  const second = at + 1 < end ? view.getUint8(at + 1) : 0;
  if (lead < 0xe0) return isContinuation(second) ? 2 : -1;
  if (second < (LOWEST_SECOND.get(lead) ?? 0x80) || second > (HIGHEST_SECOND.get(lead) ?? 0xbf)) {
    return -1;
  }
  const third = at + 2 < end ? view.getUint8(at + 2) : 0;
  if (!isContinuation(third)) return -2;
  if (lead < 0xf0) return 3;
  const fourth = at + 3 < end ? view.getUint8(at + 3) : 0;
  return isContinuation(fourth) ? 4 : -3;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

const LOWEST_SECOND: ReadonlyMap<number, number> = new Map([
  [0xe0, 0xa0],
  [0xf0, 0x90],
]);
const HIGHEST_SECOND: ReadonlyMap<number, number> = new Map([
  [0xed, 0x9f],
  [0xf4, 0x8f],
]);

/** U+0085, U+2028 or U+2029: line breaks to some readers, so they are written as escapes. */
export function isLineBreakSequence(view: DataView, at: number, length: number): boolean {
  if (length === 2) return view.getUint16(at) === 0xc285;
  if (length !== 3 || view.getUint16(at) !== 0xe280) return false;
  const last = view.getUint8(at + 2);
  return last === 0xa8 || last === 0xa9;
}
