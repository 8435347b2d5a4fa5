import { parseRfc3339Micros } from '@trailpush/datasets';

import { invalidParameter, type Parameters } from './parameters.ts';

const DATE = /^\d{4}-\d{2}-\d{2}$/;
/** An offset whose plus was not encoded, so that it arrives as a space. */
const PLAIN_PLUS = / (?=\d{2}:\d{2}$)/;

/** Microseconds since the epoch of a date (its beginning in UTC) or an RFC 3339 date-time. */
export function readTime(name: string, text: string): number {
  const whole = DATE.test(text) ? `${text}T00:00:00Z` : text.replace(PLAIN_PLUS, '+');
  const micros = parseRfc3339Micros(whole);
  if (micros !== undefined) return micros;
  throw invalidParameter(
    name,
    'must be a date such as 2026-05-21 or an RFC 3339 time such as 2026-05-21T10:00:00Z',
  );
}

export interface Window {
  /** Inclusive. */
  readonly sinceMicros: number;
  /** Exclusive. */
  readonly beforeMicros: number;
}

/** `since` and `before`, both required. @throws ApiError */
export function readWindow(parameters: Parameters): Window {
  const sinceMicros = readTime('since', parameters.required('since'));
  const beforeMicros = readTime('before', parameters.required('before'));
  return checked({ sinceMicros, beforeMicros });
}

const EVER: Window = { sinceMicros: 0, beforeMicros: Number.MAX_SAFE_INTEGER };

/** `since` and `before`, where they are given. @throws ApiError */
export function readOpenWindow(parameters: Parameters): Window {
  const since = parameters.one('since') ?? '';
  const before = parameters.one('before') ?? '';
  return checked({
    sinceMicros: since === '' ? EVER.sinceMicros : readTime('since', since),
    beforeMicros: before === '' ? EVER.beforeMicros : readTime('before', before),
  });
}

function checked(window: Window): Window {
  if (window.sinceMicros <= window.beforeMicros) return window;
  throw invalidParameter('since', 'is later than before: exchange the two');
}

/** RFC 3339 in UTC, with as many digits of a second as there are. */
export function timeText(micros: number): string {
  const ms = Math.floor(micros / 1000);
  const text = new Date(ms).toISOString();
  const rest = micros - Math.floor(micros / 1_000_000) * 1_000_000;
  if (rest === 0) return text.replace('.000Z', 'Z');
  return `${text.slice(0, 20)}${String(rest).padStart(6, '0').replace(/0+$/, '')}Z`;
}
