import { MAX_EVENT_WORDS, MAX_WORD_CHARACTERS, wordsOf } from '@trailpush/core';

import { MAX_BYTES_A_UNIT } from './postgres-covering.ts';

/** For each byte what a word has in its place; 0: it separates words. Bytes beyond ASCII are none of these. */
const FOLDED = Uint8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[a-z0-9]/i.test(character) ? character.toLowerCase().charCodeAt(0) : 0;
});

const SPACE = 0x20;
const ASCII_END = 0x80;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * Writes the words of one event's texts as `wordsText` of `searchWordsOf` gives them, mostly without making a text of anything. Reused
 * for every event.
 */
export class WordWriter {
  /** Of all words with the spaces around them, in UTF-16. */
  units = 0;
  readonly #starts = new Int32Array(MAX_EVENT_WORDS);
  readonly #lengths = new Int32Array(MAX_EVENT_WORDS);
  readonly #hashes = new Int32Array(MAX_EVENT_WORDS);
  #count = 0;
  #out: Buffer = Buffer.alloc(0);
  /** Behind the last word. */
  #at = 0;

  begin(out: Buffer, at: number): void {
    this.#count = 0;
    this.#out = out;
    out[at] = SPACE;
    this.#at = at + 1;
    this.units = 1;
  }

  /**
   * The words of `[start, end)`, valid UTF-8, that are not there yet. What is ASCII takes as many bytes as it has, and a few more;
   * false when other words would go beyond `limit`.
   */
  add(text: Buffer, start: number, end: number, limit: number): boolean {
    const out = this.#out;
    const first = this.#at;
    let at = first;
    let hash = FNV_OFFSET;
    let length = 0;
    for (let from = start; from <= end; from++) {
      const byte = from < end ? (text[from] ?? 0) : 0;
      if (byte >= ASCII_END) {
        this.units += at - first;
        this.#at = at;
        return this.#addWords(wordsOf(text.toString('utf8', start, end)), limit);
      }
      const folded = FOLDED[byte] ?? 0;
      if (folded !== 0) {
        if (length < MAX_WORD_CHARACTERS) {
          out[at + length++] = folded;
          hash = Math.imul(hash ^ folded, FNV_PRIME);
        }
      } else if (length > 0) {
        if (this.#isNew(at, length, hash)) {
          at += length;
          out[at++] = SPACE;
        }
        hash = FNV_OFFSET;
        length = 0;
      }
    }
    this.units += at - first;
    this.#at = at;
    return true;
  }

  /** Returns where the words end. */
  end(): number {
    if (this.#count === 0) {
      this.#out[this.#at++] = SPACE;
      this.units++;
    }
    return this.#at;
  }

  #addWords(words: readonly string[], limit: number): boolean {
    for (const word of words) {
      if (this.#at + word.length * MAX_BYTES_A_UNIT >= limit) return false;
      const length = this.#out.write(word, this.#at);
      let hash = FNV_OFFSET;
      for (let offset = 0; offset < length; offset++) {
        hash = Math.imul(hash ^ (this.#out[this.#at + offset] ?? 0), FNV_PRIME);
      }
      if (!this.#isNew(this.#at, length, hash)) continue;
      this.#at += length;
      this.#out[this.#at++] = SPACE;
      this.units += word.length + 1;
    }
    return true;
  }

  /** Whether the word that lies at `at` is wanted; it then counts as written. */
  #isNew(at: number, length: number, hash: number): boolean {
    for (let index = 0; index < this.#count; index++) {
      if (this.#hashes[index] === hash && this.#isSame(index, at, length)) return false;
    }
    if (this.#count === MAX_EVENT_WORDS) return false;
    this.#starts[this.#count] = at;
    this.#lengths[this.#count] = length;
    this.#hashes[this.#count] = hash;
    this.#count++;
    return true;
  }

  #isSame(index: number, at: number, length: number): boolean {
    if (this.#lengths[index] !== length) return false;
    const start = this.#starts[index] ?? 0;
    for (let offset = 0; offset < length; offset++) {
      if (this.#out[start + offset] !== this.#out[at + offset]) return false;
    }
    return true;
  }
}
