import { REDACTED } from '@trailpush/core';

const USER_INFO = /\/\/[^/?#\s@]*@/g;
const QUERY = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>?]*)\?[^\s"'<>]*/gi;
const CREDENTIALS = /\b(Bearer|Basic|Splunk)\s+[\w.~+/=:-]+/gi;

/**
 * Takes out of a text what errors of other libraries may quote: passwords and query strings of URLs
 * (a destination_conf has its keys there) and credentials of an `Authorization` header.
 */
export function redactText(text: string): string {
  return text
    .replace(USER_INFO, `//${REDACTED}@`)
    .replace(QUERY, `$1?${REDACTED}`)
    .replace(CREDENTIALS, `$1 ${REDACTED}`);
}
