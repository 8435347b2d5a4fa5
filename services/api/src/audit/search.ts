import { wordsOf, type AuditQuery } from '@trailpush/core';

import { invalidParameter, type Parameters } from './parameters.ts';

const MAX_CHARACTERS = 256;
const MAX_WORDS = 10;

/** Whose events, and which of them, at any time. */
export type FoundEvents = Pick<AuditQuery, 'tenant' | 'filters' | 'words'>;

/** The words of `search`; undefined when it was not sent. @throws ApiError */
export function readSearch(parameters: Parameters): readonly string[] | undefined {
  const text = parameters.one('search');
  if (text === undefined) return undefined;
  if (text.length > MAX_CHARACTERS) {
    throw invalidParameter(
      'search',
      `may have ${MAX_CHARACTERS} characters, and has ${text.length}`,
    );
  }
  const words = wordsOf(text);
  if (words.length === 0) {
    throw invalidParameter(
      'search',
      'must hold at least one letter or digit: leave it out to find everything',
    );
  }
  if (words.length <= MAX_WORDS) return words;
  throw invalidParameter(
    'search',
    `may have ${MAX_WORDS} different words, and has ${words.length}`,
  );
}
