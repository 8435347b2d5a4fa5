import type { AuditEntry, AuditText } from './audit.ts';

/** What a free-text search looks at, in the order in which words count when there are too many. */
export const SEARCHED_TEXTS: readonly AuditText[] = [
  'action_description',
  'actor_email',
  'actor_id',
  'actor_token_name',
  'resource_product',
  'resource_type',
  'resource_id',
  'raw_uri',
];

/** Of a longer word only so many characters (code points) count. */
export const MAX_WORD_CHARACTERS = 64;
/** An event is found by so many different words, the first ones. */
export const MAX_EVENT_WORDS = 200;

const ASCII_END = 128;
const [NOT_IN_WORD, SMALL, CAPITAL] = [0, 1, 2];
/** For each character of ASCII, what it is in a word. */
const ASCII_KINDS = Uint8Array.from({ length: ASCII_END }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[a-z0-9]/.test(character) ? SMALL : /[A-Z]/.test(character) ? CAPITAL : NOT_IN_WORD;
});
/** Written without spaces, so that each character is a word. */
const UNSPACED = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`;
const WORD = new RegExp(`[${UNSPACED}]|[[\\p{L}\\p{M}\\p{N}]--[${UNSPACED}]]+`, 'gv');

/**
 * The words of a text, each once, in their order. A word is a run of letters, marks and digits, of any script
 * (Unicode's categories L, M and N, after normalisation NFKC); everything else separates: `@`, `.`, `/`, `-`, `_`. In
 * scripts without spaces, such as Chinese, each character is a word. Case does not count. Words are stored:
 * a change here needs a migration.
 */
export function wordsOf(text: string): string[] {
  const words = new Set<string>();
  addWords(words, text);
  return [...words];
}

/** The words that a search finds an event by. */
export function searchWordsOf(entry: AuditEntry): string[] {
  const words = new Set<string>();
  for (const name of SEARCHED_TEXTS) {
    const value = entry[name];
    if (value !== null) addWords(words, value);
  }
  const all = [...words];
  return all.length > MAX_EVENT_WORDS ? all.slice(0, MAX_EVENT_WORDS) : all;
}

function addWords(words: Set<string>, text: string): void {
  let start = -1;
  let hasCapitals = false;
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : 0;
    if (code >= ASCII_END) {
      addUnicodeWords(words, text);
      return;
    }
    const kind = ASCII_KINDS[code];
    if (kind !== NOT_IN_WORD) {
      if (start === -1) start = at;
      if (kind === CAPITAL) hasCapitals = true;
    } else if (start !== -1) {
      const word = text.slice(start, Math.min(at, start + MAX_WORD_CHARACTERS));
      words.add(hasCapitals ? word.toLowerCase() : word);
      start = -1;
      hasCapitals = false;
    }
  }
}

function addUnicodeWords(words: Set<string>, text: string): void {
  for (const match of text.normalize('NFKC').match(WORD) ?? []) {
    const word = fold(match);
    words.add(word.length > MAX_WORD_CHARACTERS ? cut(word) : word);
  }
}

/** By way of capitals, which are the same for more small letters. By itself, as a letter's neighbours may matter. */
function fold(word: string): string {
  return word.toUpperCase().toLowerCase();
}

function cut(word: string): string {
  return Array.from(word).slice(0, MAX_WORD_CHARACTERS).join('');
}
