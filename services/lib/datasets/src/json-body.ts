import { UndecodableRecordError } from '@trailpush/core';

/**
 * Bodies (request, response, value) are the producer's own JSON text and are passed on byte for byte.
 * One bad byte would break the line for every consumer, so each body is checked in one pass without
 * parsing: well-formed JSON (RFC 8259) in valid UTF-8, nested at most 64 deep.
 */
export const MAX_BODY_DEPTH = 64;

const OBJECT = 1;
const ARRAY = 2;
const containers = new Uint8Array(MAX_BODY_DEPTH);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What may follow a backslash, besides `u`. */
const ESCAPABLE = new Uint8Array(256);
for (const char of '"\\/bfnrt') ESCAPABLE[char.charCodeAt(0)] = 1;

function notJson(position: number, detail: string): UndecodableRecordError {
  return new UndecodableRecordError('body_not_json', `not JSON at byte ${position}: ${detail}`);
}

/**
 * Length of the UTF-8 sequence at `at`, or 0 when it is not valid: overlong forms, surrogates and
 * anything above U+10FFFF included.
 */
export function utf8SequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at] ?? 0;
  const second = at + 1 < end ? (bytes[at + 1] ?? 0) : 0;
  if (lead < 0xc2 || lead > 0xf4 || (second & 0xc0) !== 0x80) return 0;
  if (lead < 0xe0) return 2;
  const third = at + 2 < end ? (bytes[at + 2] ?? 0) : 0;
  if ((third & 0xc0) !== 0x80) return 0;
  if (lead < 0xf0) {
    if (lead === 0xe0 && second < 0xa0) return 0;
    return lead === 0xed && second > 0x9f ? 0 : 3;
  }
  const fourth = at + 3 < end ? (bytes[at + 3] ?? 0) : 0;
  if ((fourth & 0xc0) !== 0x80) return 0;
  if (lead === 0xf0 && second < 0x90) return 0;
  return lead === 0xf4 && second > 0x8f ? 0 : 4;
}

/** U+0085, U+2028 or U+2029: line breaks to some readers, so they are written as escapes. */
export function isLineBreakSequence(bytes: Uint8Array, at: number, length: number): boolean {
  if (length === 2) return bytes[at] === 0xc2 && bytes[at + 1] === 0x85;
  if (length !== 3 || bytes[at] !== 0xe2 || bytes[at + 1] !== 0x80) return false;
  return bytes[at + 2] === 0xa8 || bytes[at + 2] === 0xa9;
}

/** Position after the closing quote. Sets `mustRewrite` when the string holds a line-break character. */
function skipString(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) {
      at = skipEscape(bytes, at + 1, end);
    } else if (byte < 0x20) {
      throw notJson(at, 'a control character inside a string');
    } else if (byte < 0x80) {
      at++;
    } else {
      const length = utf8SequenceLength(bytes, at, end);
      if (length === 0) throw notJson(at, 'not UTF-8');
      if (isLineBreakSequence(bytes, at, length)) mustRewrite = true;
      at += length;
    }
  }
  throw notJson(end, 'it ends inside a string');
}

function skipEscape(bytes: Uint8Array, at: number, end: number): number {
  const kind = at < end ? (bytes[at] ?? 0) : 0;
  if (ESCAPABLE[kind] === 1) return at + 1;
  if (kind !== 0x75 || at + 5 > end) throw notJson(at, 'an unknown escape');
  for (let digit = at + 1; digit < at + 5; digit++) {
    const byte = (bytes[digit] ?? 0) | 0x20;
    const isHex = (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66);
    if (!isHex) throw notJson(digit, 'an unknown escape');
  }
  return at + 5;
}

function skipDigits(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at] ?? 0) >= 0x30 && (bytes[at] ?? 0) <= 0x39) at++;
  if (at === from) throw notJson(at, 'a number without digits');
  return at;
}

function skipNumber(bytes: Uint8Array, from: number, end: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from;
  at = bytes[at] === 0x30 ? at + 1 : skipDigits(bytes, at, end);
  if (at < end && bytes[at] === 0x2e) at = skipDigits(bytes, at + 1, end);
  if (at < end && ((bytes[at] ?? 0) | 0x20) === 0x65) {
    at++;
    if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
    at = skipDigits(bytes, at, end);
  }
  return at;
}

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

function skipLiteral(bytes: Uint8Array, from: number, end: number): number {
  const first = bytes[from];
  const word = first === 0x74 ? TRUE : first === 0x66 ? FALSE : first === 0x6e ? NULL : undefined;
  if (!word || from + word.length > end) throw notJson(from, 'a value was expected');
  for (let index = 1; index < word.length; index++) {
    if (bytes[from + index] !== word[index]) throw notJson(from, 'a value was expected');
  }
  return from + word.length;
}

/** Whitespace; a line break among it would end the line, so it marks the body for rewriting. */
function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = bytes[at];
    if (byte === 0x0a || byte === 0x0d) mustRewrite = true;
    else if (byte !== 0x20 && byte !== 0x09) break;
    at++;
  }
  return at;
}

/** Set by the functions above during one call of `checkJsonBody`, which is not reentrant. */
let mustRewrite = false;

/**
 * Checks `bytes[start, end)`. Returns true when the text must go through `copyRewritten` because it
 * holds characters that some readers take for line breaks, false when it can be copied as it is.
 * @throws UndecodableRecordError `body_not_json`, `body_too_deep`
 */
export function checkJsonBody(bytes: Uint8Array, start: number, end: number): boolean {
  mustRewrite = false;
  let depth = 0;
  let at = skipSpace(bytes, start, end);
  for (;;) {
    // A value is due at `at`.
    const byte = at < end ? (bytes[at] ?? 0) : 0;
    if (byte === 0x7b || byte === 0x5b) {
      if (depth === MAX_BODY_DEPTH) {
        throw new UndecodableRecordError('body_too_deep', `nested deeper than ${MAX_BODY_DEPTH}`);
      }
      containers[depth++] = byte === 0x7b ? OBJECT : ARRAY;
      at = skipSpace(bytes, at + 1, end);
      if (bytes[at] !== byte + 2 || at >= end) {
        if (byte === 0x7b) at = skipKey(bytes, at, end);
        continue;
      }
      depth--;
      at++;
    } else if (byte === QUOTE) at = skipString(bytes, at + 1, end);
    else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) at = skipNumber(bytes, at, end);
    else at = skipLiteral(bytes, at, end);

    // A value is complete: close what it ends, or go on to the next one.
    for (;;) {
      at = skipSpace(bytes, at, end);
      if (depth === 0) {
        if (at !== end) throw notJson(at - start, 'something follows the value');
        return mustRewrite;
      }
      const isObject = containers[depth - 1] === OBJECT;
      const next = at < end ? bytes[at] : 0;
      at++;
      if (next === 0x2c) {
        at = skipSpace(bytes, at, end);
        if (isObject) at = skipKey(bytes, at, end);
        break;
      }
      if (next !== (isObject ? 0x7d : 0x5d)) throw notJson(at - 1 - start, 'a comma or an end was expected');
      depth--;
    }
  }
}

/** A key, its colon and the space after it. */
function skipKey(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end || bytes[at] !== QUOTE) throw notJson(at, 'a key was expected');
  const colon = skipSpace(bytes, skipString(bytes, at + 1, end), end);
  if (colon >= end || bytes[colon] !== 0x3a) throw notJson(colon, 'a colon was expected');
  return skipSpace(bytes, colon + 1, end);
}

/**
 * Copies a checked body, line-break characters inside strings as escapes and line breaks between
 * tokens as spaces. `into` must have room for six bytes a byte. Returns the new end.
 */
export function copyRewritten(bytes: Uint8Array, start: number, end: number, into: Buffer, to: number): number {
  let out = to;
  for (let at = start; at < end; ) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) {
      into[out++] = byte === 0x0a || byte === 0x0d ? 0x20 : byte;
      at++;
      continue;
    }
    const length = utf8SequenceLength(bytes, at, end);
    if (isLineBreakSequence(bytes, at, length)) {
      out = writeLineBreakEscape(bytes, at, length, into, out);
    } else {
      for (let index = 0; index < length; index++) into[out++] = bytes[at + index] ?? 0;
    }
    at += length;
  }
  return out;
}

/** `\u0085`, `\u2028` or `\u2029`. */
export function writeLineBreakEscape(bytes: Uint8Array, at: number, length: number, into: Buffer, to: number): number {
  const escape = length === 2 ? '\\u0085' : bytes[at + 2] === 0xa8 ? '\\u2028' : '\\u2029';
  return to + into.latin1Write(escape, to);
}
