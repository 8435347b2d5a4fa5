/** Events are kept in one table a month (UTC), so that old ones can be dropped at once. */

/** Months since January 1970. */
export type Month = number;

export function monthOf(timeMicros: number): Month {
  const date = new Date(Math.floor(timeMicros / 1000));
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}

/** Microseconds since the epoch at which a month begins. */
export function startOf(month: Month): number {
  return Date.UTC(1970, month) * 1000;
}

/** `202605`; part of the names of tables. */
export function monthName(month: Month): string {
  const year = 1970 + Math.floor(month / 12);
  return `${year}${String((month % 12) + 1).padStart(2, '0')}`;
}

/** Items by the month of their time, in order of their first. */
export function byMonth<Item extends { readonly timeMicros: number }>(
  items: readonly Item[],
): ReadonlyMap<Month, Item[]> {
  const groups = new Map<Month, Item[]>();
  for (const item of items) {
    const month = monthOf(item.timeMicros);
    const group = groups.get(month);
    if (group === undefined) groups.set(month, [item]);
    else group.push(item);
  }
  return groups;
}
