import type { TimestampFormat } from '@trailpush/core';
import { literal, writeAscii, writeLiteral } from './byte-copy.ts';

/**
 * Writes a time at `at` and returns the new end. The time is microseconds since the epoch (a safe
 * integer) and 0 to 999 nanoseconds beyond, as one number could not hold both.
 */
export type TimestampWriter = (micros: number, nanos: number, out: DataView, at: number) => number;

const MICROS_PER_SECOND = 1_000_000;
/** From here (2001) on seconds have ten digits; a safe integer of microseconds ends before eleven. */
const MIN_TEN_DIGITS = 1_000_000_000;

const END_OF_TEXT = literal('Z"');

/** Digits of a non-negative integer below 2^31, with zeros in front. */
function writeDigits(value: number, count: number, out: DataView, at: number): number {
  let rest = value;
  for (let to = at + count - 1; to >= at; to--) {
    const tens = (rest / 10) | 0;
    out.setUint8(to, 0x30 + rest - tens * 10);
    rest = tens;
  }
  return at + count;
}

function writeSeconds(second: number, out: DataView, at: number): number {
  if (second < MIN_TEN_DIGITS) return writeAscii(String(second), out, at);
  const high = Math.floor(second / 100_000);
  return writeDigits(second - high * 100_000, 5, out, writeDigits(high, 5, out, at));
}

function secondOf(micros: number): number {
  return Math.floor(micros / MICROS_PER_SECOND);
}

/** `unixnano` is above 2^53, so its last three digits are written apart. */
function writeUnixNano(micros: number, nanos: number, out: DataView, at: number): number {
  const second = secondOf(micros);
  if (second < MIN_TEN_DIGITS) {
    return writeAscii(String(BigInt(micros) * 1000n + BigInt(nanos)), out, at);
  }
  const to = writeDigits(
    micros - second * MICROS_PER_SECOND,
    6,
    out,
    writeSeconds(second, out, at),
  );
  return writeDigits(nanos, 3, out, to);
}

/** `"2024-02-17T23:52:`, with the last minute kept, since neighbours in a log share it. */
function minuteWriter(): (minute: number, out: DataView, at: number) => number {
  let lastMinute = Number.NaN;
  let lastText = literal('');
  return (minute, out, at) => {
    if (minute !== lastMinute) {
      lastText = literal(`"${new Date(minute * 60_000).toISOString().slice(0, -7)}`);
      lastMinute = minute;
    }
    return writeLiteral(lastText, out, at);
  };
}

/** Digits that are not asked for are cut off, not rounded: a time must never move into the next second. */
function rfc3339Writer(fractionDigits: 0 | 3 | 9): TimestampWriter {
  const writeMinute = minuteWriter();
  return (micros, nanos, out, at) => {
    const second = secondOf(micros);
    const minute = Math.floor(second / 60);
    let to = writeDigits(second - minute * 60, 2, out, writeMinute(minute, out, at));
    if (fractionDigits > 0) {
      const rest = micros - second * MICROS_PER_SECOND;
      out.setUint8(to++, 0x2e);
      if (fractionDigits === 3) to = writeDigits((rest / 1000) | 0, 3, out, to);
      else to = writeDigits(nanos, 3, out, writeDigits(rest, 6, out, to));
    }
    return writeLiteral(END_OF_TEXT, out, to);
  };
}

/** The formats of Logpush's `timestamp_format`: numbers bare, texts in quotes, always UTC. */
export function timestampWriter(format: TimestampFormat): TimestampWriter {
  switch (format) {
    case 'unixnano':
      return writeUnixNano;
    case 'unix':
      return (micros, _nanos, out, at) => writeSeconds(secondOf(micros), out, at);
    case 'rfc3339':
      return rfc3339Writer(0);
    case 'rfc3339ms':
      return rfc3339Writer(3);
    case 'rfc3339ns':
      return rfc3339Writer(9);
  }
}
