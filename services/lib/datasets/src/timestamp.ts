import type { TimestampFormat } from '@trailpush/core';

/** Writes microseconds since the epoch at `at` and returns the new end. */
export type TimestampWriter = (micros: number, into: Buffer, at: number) => number;

const MICROS_PER_SECOND = 1_000_000;

/** Digits that are cut off are cut off, not rounded: a time must never move into the next second. */
function fraction(micros: number, digits: 3 | 9): string {
  const rest = micros - Math.floor(micros / MICROS_PER_SECOND) * MICROS_PER_SECOND;
  const six = String(rest).padStart(6, '0');
  return digits === 3 ? six.slice(0, 3) : `${six}000`;
}

/** `2024-02-17T23:52:01`, with the last second kept since neighbours in a log share it. */
function secondsWriter(): (second: number) => string {
  let lastSecond = Number.NaN;
  let lastText = '';
  return (second) => {
    if (second !== lastSecond) {
      lastText = new Date(second * 1000).toISOString().slice(0, -5);
      lastSecond = second;
    }
    return lastText;
  };
}

/**
 * The formats of Logpush's `timestamp_format`: numbers bare, texts in quotes, always UTC.
 * `unixnano` is above 2^53, so its last three digits are written as text.
 */
export function timestampWriter(format: TimestampFormat): TimestampWriter {
  const seconds = secondsWriter();
  const secondOf = (micros: number) => Math.floor(micros / MICROS_PER_SECOND);
  switch (format) {
    case 'unixnano':
      return (micros, into, at) => at + into.latin1Write(micros === 0 ? '0' : `${micros}000`, at);
    case 'unix':
      return (micros, into, at) => at + into.latin1Write(String(secondOf(micros)), at);
    case 'rfc3339':
      return (micros, into, at) => at + into.latin1Write(`"${seconds(secondOf(micros))}Z"`, at);
    case 'rfc3339ms':
      return (micros, into, at) =>
        at + into.latin1Write(`"${seconds(secondOf(micros))}.${fraction(micros, 3)}Z"`, at);
    case 'rfc3339ns':
      return (micros, into, at) =>
        at + into.latin1Write(`"${seconds(secondOf(micros))}.${fraction(micros, 9)}Z"`, at);
  }
}
