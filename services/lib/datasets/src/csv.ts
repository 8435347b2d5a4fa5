import { utf8SequenceLength } from './utf8.ts';

const QUOTE = 0x22;

/**
 * Writes `[start, end)` of `view` as the inside of a quoted CSV value (RFC 4180): quotes are doubled and
 * everything else, line breaks included, stays, as CSV has no escapes. What is not UTF-8 becomes U+FFFD.
 * `out` must have room for three bytes a byte. Returns the new end.
 */
export function writeCsvText(
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
      out.setUint8(to++, byte);
      if (byte === QUOTE) out.setUint8(to++, QUOTE);
      from++;
      continue;
    }
    const length = utf8SequenceLength(view, from, end);
    if (length < 0) {
      out.setUint16(to, 0xefbf);
      out.setUint8(to + 2, 0xbd);
      to += 3;
      from -= length;
    } else
      for (const next = from + length; from < next; from++) out.setUint8(to++, view.getUint8(from));
  }
  return to;
}

/** Doubles the quotes in `[start, end)` where they are; there must be room. Returns the new end. */
export function doubleQuotes(out: DataView, start: number, end: number): number {
  let quotes = 0;
  for (let at = start; at < end; at++) if (out.getUint8(at) === QUOTE) quotes++;
  let to = end + quotes;
  for (let from = end - 1; to > from + 1; from--) {
    const byte = out.getUint8(from);
    out.setUint8(--to, byte);
    if (byte === QUOTE) out.setUint8(--to, QUOTE);
  }
  return end + quotes;
}
