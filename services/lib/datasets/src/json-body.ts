import { UndecodableRecordError } from '@trailpush/core';
import { skipPlain, writeLineBreakEscape } from './json-string.ts';
import { isLineBreakSequence, utf8SequenceLength } from './utf8.ts';

/**
 * Bodies (request, response, value) are the producer's own JSON text and are passed on byte for byte.
 * One bad byte would break the line for every consumer, so each body is checked in one pass without
 * parsing: well-formed JSON (RFC 8259) in valid UTF-8, nested at most 64 deep.
 */
export const MAX_BODY_DEPTH = 64;

/** What closes the containers that are open. */
const closers = new Uint8Array(MAX_BODY_DEPTH);

/** State of one call of `checkJson`, which is not reentrant. */
let mustRewrite = false;
let bodyStart = 0;

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** The first four letters of the literals. */
const TRUE = 0x74727565;
const NULL = 0x6e756c6c;
const FALS = 0x66616c73;

const DIGIT = new Uint8Array(256).fill(1, 0x30, 0x3a);
const HEX_DIGIT = new Uint8Array(256).fill(1, 0x30, 0x3a).fill(1, 0x41, 0x47).fill(1, 0x61, 0x67);
/** What may follow a backslash, besides `u`. */
const ESCAPABLE = new Uint8Array(256);
for (const char of '"\\/bfnrt') ESCAPABLE[char.charCodeAt(0)] = 1;

function notJson(at: number, detail: string): UndecodableRecordError {
  const message = `not JSON at byte ${at - bodyStart}: ${detail}`;
  return new UndecodableRecordError('body_not_json', message);
}

/** The byte at `at`, or 0, which is no part of JSON, at the end. */
function peek(view: DataView, at: number, end: number): number {
  return at < end ? view.getUint8(at) : 0;
}

/** `checkJson` for bytes that are not part of a record. */
export function checkJsonBody(bytes: Uint8Array, start: number, end: number): boolean {
  return checkJson(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), start, end);
}

/**
 * Checks `[start, end)` of `view`. Returns true when the text must go through `copyRewritten` because
 * it holds characters that some readers take for line breaks, false when it can be copied as it is.
 * @throws UndecodableRecordError `body_not_json`, `body_too_deep`; the message lacks a subject
 */
export function checkJson(view: DataView, start: number, end: number): boolean {
  mustRewrite = false;
  bodyStart = start;
  let depth = 0;
  /** What ends the innermost open container. */
  let closer = 0;
  let keyDue = false;
  let at = start;
  for (;;) {
    // A key or a value is due.
    let byte = peek(view, at, end);
    if (byte <= SPACE) {
      at = skipSpace(view, at, end);
      byte = peek(view, at, end);
    }
    if (byte === QUOTE) {
      at = skipString(view, at + 1, end);
      if (keyDue) {
        keyDue = false;
        at = skipColon(view, at, end);
        continue;
      }
    } else if (keyDue) {
      throw notJson(at, 'a key was expected');
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (depth === MAX_BODY_DEPTH) throw tooDeep();
      closers[depth++] = closer;
      // In ASCII a closing bracket lies two behind its opening one.
      closer = byte + 2;
      at++;
      if (peek(view, at, end) <= SPACE) at = skipSpace(view, at, end);
      if (peek(view, at, end) !== closer) {
        keyDue = byte === OPEN_OBJECT;
        continue;
      }
    } else at = skipScalar(view, byte, at, end);

    // A value is complete: close what it ends, or go on to the next one.
    for (;;) {
      let next = peek(view, at, end);
      if (next <= SPACE) {
        at = skipSpace(view, at, end);
        next = peek(view, at, end);
      }
      if (depth === 0) {
        if (at !== end) throw notJson(at, 'something follows the value');
        return mustRewrite;
      }
      at++;
      if (next === COMMA) {
        keyDue = closer === CLOSE_OBJECT;
        break;
      }
      if (next !== closer) throw notJson(at - 1, 'a comma or a closing bracket was expected');
      closer = closers[--depth] ?? 0;
    }
  }
}

function skipColon(view: DataView, from: number, end: number): number {
  let at = from;
  if (peek(view, at, end) !== COLON) {
    at = skipSpace(view, at, end);
    if (peek(view, at, end) !== COLON) throw notJson(at, 'a colon was expected');
  }
  return at + 1;
}

function tooDeep(): UndecodableRecordError {
  const message = `nested deeper than ${MAX_BODY_DEPTH} levels`;
  return new UndecodableRecordError('body_too_deep', message);
}

/** Whitespace; a line break among it would end the line, so it marks the body for rewriting. */
function skipSpace(view: DataView, from: number, end: number): number {
  let at = from;
  for (; at < end; at++) {
    const byte = view.getUint8(at);
    if (byte > 0x20) return at;
    if (byte === 0x0a || byte === 0x0d) mustRewrite = true;
    else if (byte !== 0x20 && byte !== 0x09) return at;
  }
  return at;
}

/** Position after the closing quote. */
function skipString(view: DataView, from: number, end: number): number {
  const at = skipPlain(view, from, end);
  return peek(view, at, end) === QUOTE ? at + 1 : skipOddString(view, at, end);
}
function skipOddString(view: DataView, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = view.getUint8(at);
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at = skipEscape(view, at + 1, end);
    else if (byte < 0x20) throw notJson(at, 'a control character inside a string');
    else at = skipSequence(view, at, end);
    at = skipPlain(view, at, end);
  }
  throw notJson(end, 'it ends inside a string');
}

function skipSequence(view: DataView, at: number, end: number): number {
  const length = utf8SequenceLength(view, at, end);
  if (length < 0) throw notJson(at, 'not UTF-8');
  if (isLineBreakSequence(view, at, length)) mustRewrite = true;
  return at + length;
}

function skipEscape(view: DataView, at: number, end: number): number {
  const kind = peek(view, at, end);
  if (ESCAPABLE[kind] === 1) return at + 1;
  if (kind !== 0x75) throw notJson(at, 'an unknown escape');
  for (let digit = at + 1; digit < at + 5; digit++) {
    if (HEX_DIGIT[peek(view, digit, end)] !== 1)
      throw notJson(digit, 'a \\u without four hex digits');
  }
  return at + 5;
}

function skipScalar(view: DataView, first: number, at: number, end: number): number {
  if (first === MINUS || DIGIT[first] === 1) return skipNumber(view, at, end);
  const word = at + 4 <= end ? view.getInt32(at) : 0;
  if (word === TRUE || word === NULL) return at + 4;
  if (word === FALS && peek(view, at + 4, end) === 0x65) return at + 5;
  throw notJson(at, 'a value was expected');
}

function skipNumber(view: DataView, from: number, end: number): number {
  let at = peek(view, from, end) === MINUS ? from + 1 : from;
  at = peek(view, at, end) === ZERO ? at + 1 : skipDigits(view, at, end);
  if (peek(view, at, end) === 0x2e) at = skipDigits(view, at + 1, end);
  if ((peek(view, at, end) | 0x20) === 0x65) {
    at++;
    const sign = peek(view, at, end);
    if (sign === 0x2b || sign === MINUS) at++;
    at = skipDigits(view, at, end);
  }
  return at;
}

function skipDigits(view: DataView, from: number, end: number): number {
  let at = from;
  while (DIGIT[peek(view, at, end)] === 1) at++;
  if (at === from) throw notJson(at, 'a digit was expected');
  return at;
}

/**
 * Copies a checked body, line-break characters inside strings as escapes and line breaks between
 * tokens as spaces. `out` must have room for three bytes a byte. Returns the new end.
 */
export function copyRewritten(
  view: DataView,
  start: number,
  end: number,
  out: DataView,
  at: number,
): number {
  let from = start;
  while (from < end) {
    const byte = view.getUint8(from);
    if (byte === 0x0a || byte === 0x0d) {
      out.setUint8(at++, 0x20);
      from++;
    } else if (byte === 0xc2 && view.getUint8(from + 1) === 0x85) {
      at = writeLineBreakEscape(view, from, out, at);
      from += 2;
    } else if (byte === 0xe2 && isLineBreakSequence(view, from, 3)) {
      at = writeLineBreakEscape(view, from, out, at);
      from += 3;
    } else {
      out.setUint8(at++, byte);
      from++;
    }
  }
  return at;
}
