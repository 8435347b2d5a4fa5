import { REDACTED, type Secret } from '@trailpush/core';

const MAX_CHARS = 200;
/** Control characters, line separators, and marks that change the direction of text. */
const INVISIBLE =
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd]+/g;

/**
 * Makes a receiver's words fit to be shown: secrets taken out, in plain and in the usual encodings,
 * then control characters, then cut to about 200 characters.
 */
export function createScrubber(secrets: readonly Secret[]): (text: string) => string {
  const forms = [...new Set(secrets.flatMap((secret) => formsOf(secret.reveal())))]
    // Longest first: a secret may be part of another one.
    .sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const form of forms) clean = clean.replaceAll(form, REDACTED);
    clean = clean.replace(INVISIBLE, ' ').replace(/ {2,}/g, ' ').trim();
    return clean.length > MAX_CHARS ? `${clean.slice(0, MAX_CHARS).toWellFormed()}...` : clean;
  };
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    bytes.toString('base64'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    hex,
    hex.toUpperCase(),
  ];
}
