import { isUtf8 } from 'node:buffer';

import { SEARCHED_TEXTS, type AuditEntry, type EncodedTexts } from '@trailpush/core';

import { MAX_BYTES_A_UNIT, MAX_COVERED_BYTES } from './postgres-covering.ts';
import { COVERED_FIELDS, EVENT_TEXTS } from './schema.ts';
import { encodedTerms, MAX_TERMS } from './terms.ts';
import { WordWriter } from './word-writer.ts';

/** What `KINDS` has of a byte that COPY takes as it is, of one beyond ASCII, and of one that only texts can show. */
const [PLAIN, HIGH, OTHER] = [0, 1, 2];
/** For each byte one of those, or the letter that stands for it behind a backslash. */
const KINDS = new Uint8Array(256).fill(HIGH, 0x80);
// PostgreSQL has no U+0000 in texts, and ours have another meaning for U+0001.
KINDS.fill(OTHER, 0, 2);
for (const [code, letter] of [
  ['\\', '\\'],
  ['\n', 'n'],
  ['\r', 'r'],
  ['\t', 't'],
] as const) {
  KINDS[code.charCodeAt(0)] = letter.charCodeAt(0);
}

const BACKSLASH = 0x5c;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const [CAPITAL_N, SMALL_T, SMALL_F] = [0x4e, 0x74, 0x66];
const [OPEN, COMMA, CLOSE] = [0x7b, 0x2c, 0x7d];
const [MINUS, ZERO] = [0x2d, 0x30];

/** Places of texts in `EncodedTexts`. */
const SEARCHED = SEARCHED_TEXTS.map((name) => EVENT_TEXTS.indexOf(name));
const COVERED = COVERED_FIELDS.filter((name) => name !== 'raw_status_code').map((name) =>
  EVENT_TEXTS.indexOf(name),
);

const PIECE_BYTES = 1024 * 1024;
/** The four numbers before the texts. */
const MAX_HEAD_BYTES = 64;
/** Of a line besides its texts and words: separators, terms. */
const MAX_OTHER_BYTES = 1024;
/** A text takes twice its bytes at most, and what is searched once more as words, unless those have more bytes than the text. */
const MAX_EXPANSION = 4;

/** Makes lines for COPY of entries that came as bytes. The lines lie in pieces of memory that many of them share. */
export class CopyLines {
  readonly #words = new WordWriter();
  readonly #terms = new Int32Array(MAX_TERMS);
  /** Of each text in UTF-16. */
  readonly #units = new Int32Array(EVENT_TEXTS.length);
  #piece = Buffer.alloc(0);
  #at = 0;

  /** The line of `copyLine`, hardly making a text of anything; undefined when it must be made of texts. */
  line(entry: AuditEntry, encoded: EncodedTexts, tenant: number): Buffer | undefined {
    const textBytes = lengthOf(encoded);
    const maxBytes = textBytes * MAX_EXPANSION + MAX_HEAD_BYTES + MAX_OTHER_BYTES;
    if (this.#piece.length - this.#at < maxBytes) {
      this.#piece = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, maxBytes));
      this.#at = 0;
    }
    const first = this.#at;
    const { timeMicros, raw_status_code: statusCode } = entry;
    // What comes first is known last.
    this.#at += MAX_HEAD_BYTES;
    if (!this.#addTexts(encoded) || !this.#addWords(encoded, textBytes, statusCode)) {
      this.#at = first;
      return undefined;
    }
    this.#addTerms(encodedTerms(encoded, { statusCode, tenant }, this.#terms));
    const units = this.#units.reduce((sum, of) => sum + of, 0);
    const head = `${tenant}\t${timeMicros}\t${units}\t${statusCode ?? String.raw`\N`}\t`;
    const start = first + MAX_HEAD_BYTES - head.length;
    this.#piece.write(head, start, 'latin1');
    return this.#piece.subarray(start, this.#at);
  }

  /** False when one of them cannot be written so. */
  #addTexts({ bytes, ranges, at: rangesAt }: EncodedTexts): boolean {
    const out = this.#piece;
    let at = this.#at;
    for (let index = 0; index < EVENT_TEXTS.length; index++) {
      const start = ranges[rangesAt + 2 * index] ?? -1;
      const end = start < 0 ? start : (ranges[rangesAt + 2 * index + 1] ?? 0);
      let units = end - start;
      let isAscii = true;
      if (start < 0) {
        out[at++] = BACKSLASH;
        out[at++] = CAPITAL_N;
      }
      for (let from = start; from < end; from++) {
        const byte = bytes[from] ?? 0;
        const kind = KINDS[byte] ?? OTHER;
        if (kind === PLAIN) {
          out[at++] = byte;
        } else if (kind === HIGH) {
          out[at++] = byte;
          isAscii = false;
          // Of two to four bytes the first one counts, of four as two.
          if (byte < 0xc0) units--;
          else if (byte >= 0xf0) units++;
        } else {
          if (kind === OTHER) return false;
          out[at++] = BACKSLASH;
          out[at++] = kind;
        }
      }
      if (!isAscii && !isUtf8(bytes.subarray(start, end))) return false;
      this.#units[index] = units;
      out[at++] = TAB;
    }
    this.#at = at;
    return true;
  }

  /** And whether the covered texts are too long, as `isWide` says. False when words are longer than their text. */
  #addWords(encoded: EncodedTexts, textBytes: number, statusCode: number | null): boolean {
    const { bytes, ranges, at } = encoded;
    const start = this.#at;
    const limit = this.#piece.length - textBytes - MAX_OTHER_BYTES;
    this.#words.begin(this.#piece, start);
    for (let index = 0; index < SEARCHED.length; index++) {
      const place = at + 2 * (SEARCHED[index] ?? 0);
      const from = ranges[place] ?? -1;
      if (from < 0) continue;
      if (!this.#words.add(bytes, from, ranges[place + 1] ?? 0, limit)) return false;
    }
    this.#at = this.#words.end();
    let coveredUnits = statusCode === null ? 0 : String(statusCode).length;
    let coveredBytes = coveredUnits;
    for (let index = 0; index < COVERED.length; index++) {
      const covered = COVERED[index] ?? 0;
      coveredUnits += this.#units[covered] ?? 0;
      coveredBytes += lengthAt(encoded, covered);
    }
    const isWide =
      (this.#words.units + coveredUnits) * MAX_BYTES_A_UNIT > MAX_COVERED_BYTES &&
      this.#at - start + 2 * coveredBytes > MAX_COVERED_BYTES;
    this.#addByte(TAB);
    this.#addByte(isWide ? SMALL_T : SMALL_F);
    this.#addByte(TAB);
    return true;
  }

  #addTerms(count: number): void {
    this.#addByte(OPEN);
    for (let index = 0; index < count; index++) {
      if (index > 0) this.#addByte(COMMA);
      this.#addInteger(this.#terms[index] ?? 0);
    }
    this.#addByte(CLOSE);
    this.#addByte(LINE_FEED);
  }

  /** One of 32 bits with a sign. */
  #addInteger(value: number): void {
    let rest = value;
    if (value < 0) {
      this.#addByte(MINUS);
      rest = -value;
    }
    let digits = 1;
    for (let power = 10; power <= rest; power *= 10) digits++;
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      const tenth = Math.floor(rest / 10);
      this.#piece[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    this.#at += digits;
  }

  #addByte(byte: number): void {
    this.#piece[this.#at++] = byte;
  }
}

/** Of all texts together. */
function lengthOf(encoded: EncodedTexts): number {
  let bytes = 0;
  for (let place = 0; place < EVENT_TEXTS.length; place++) bytes += lengthAt(encoded, place);
  return bytes;
}

function lengthAt({ ranges, at }: EncodedTexts, place: number): number {
  const start = ranges[at + 2 * place] ?? -1;
  return start < 0 ? 0 : (ranges[at + 2 * place + 1] ?? 0) - start;
}
