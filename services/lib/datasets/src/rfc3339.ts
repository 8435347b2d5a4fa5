const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

const DAY_MS = 86_400_000;
/** Where the fraction or the offset begins. */
const AFTER_SECONDS = 19;

/**
 * Microseconds since the epoch of an RFC 3339 date-time with any offset and up to nine digits of
 * fraction; digits below a microsecond are cut off. A leap second counts as the first of the next
 * minute. Undefined when the text is anything else or names a day or time that does not exist.
 */
export function parseRfc3339Micros(text: string): number | undefined {
  if (!DATE_TIME.test(text)) return undefined;
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const date = new Date(0);
  // Date.UTC would take the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(digits(text, 0, 4), month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const offsetMs = parseOffsetMs(text);
  if (offsetMs === undefined) return undefined;
  const ms = date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 - offsetMs;
  // Leap seconds are inserted at the end of a UTC day only.
  if (second === 60 && ms % DAY_MS !== 0) return undefined;
  return ms * 1000 + parseFractionMicros(text);
}

/** The text was matched before, so these are digits. */
function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let index = at; index < at + count; index++) {
    value = value * 10 + text.charCodeAt(index) - 0x30;
  }
  return value;
}

function parseFractionMicros(text: string): number {
  if (text[AFTER_SECONDS] !== '.') return 0;
  let micros = 0;
  for (let index = 0, unit = 100_000; index < 6; index++, unit /= 10) {
    const digit = text.charCodeAt(AFTER_SECONDS + 1 + index) - 0x30;
    // The fraction has ended: what follows is a sign or a letter.
    if (!(digit >= 0 && digit <= 9)) break;
    micros += digit * unit;
  }
  return micros;
}

function parseOffsetMs(text: string): number | undefined {
  const last = text.at(-1);
  if (last === 'Z' || last === 'z') return 0;
  const start = text.length - 6;
  const hours = digits(text, start + 1, 2);
  const minutes = digits(text, start + 4, 2);
  if (hours > 23 || minutes > 59) return undefined;
  const ms = (hours * 60 + minutes) * 60_000;
  return text[start] === '-' ? -ms : ms;
}
