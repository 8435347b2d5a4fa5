const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

const DAY_MS = 86_400_000;

/**
 * Microseconds since the epoch of an RFC 3339 date-time with any offset and up to nine digits of
 * fraction; digits below a microsecond are cut off. A leap second counts as the first of the next
 * minute. Undefined when the text is anything else or names a day or time that does not exist.
 */
export function parseRfc3339Micros(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  if (year === undefined || month === undefined || day === undefined) return undefined;
  if (hour === undefined || minute === undefined || second === undefined) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const midnight = new Date(0);
  // Date.UTC would take the years 0 to 99 for 1900 to 1999.
  midnight.setUTCFullYear(year, month - 1, day);
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined;
  const offsetMs = parseOffsetMs(match[8], match[9], match[10]);
  if (offsetMs === undefined) return undefined;
  const ms = midnight.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 - offsetMs;
  // Leap seconds are inserted at the end of a UTC day only.
  if (second === 60 && ms % DAY_MS !== 0) return undefined;
  const micros = Number((match[7] ?? '').slice(0, 6).padEnd(6, '0'));
  return ms * 1000 + micros;
}

function parseOffsetMs(
  sign: string | undefined,
  hours: string | undefined,
  minutes: string | undefined,
): number | undefined {
  if (sign === undefined) return 0;
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
  const ms = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return sign === '-' ? -ms : ms;
}
