import { ConfigError } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000 } as const;

/** A span from now on, or a time, as RFC 3339. @throws ConfigError that names the option */
export function timeOf(option: string, text: string | undefined): string | null {
  if (text === undefined) return null;
  const [, count, unit] = /^(\d{1,5})([dhm])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) {
    const ms = Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
    return new Date(systemClock.now() + ms).toISOString();
  }
  if (
    /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(Date.parse(text))
  ) {
    return text;
  }
  throw new ConfigError(
    `${option} must be a span such as 90d, 12h or 30m, or a time such as 2030-01-01T00:00:00Z, but is ${JSON.stringify(text)}`,
  );
}
