import {
  MAX_AUDIT_COUNTS,
  MAX_COUNTING_MS,
  QueryTooLargeError,
  type AuditCount,
  type AuditCounting,
} from '@trailpush/core';

import { inRange, passing, type Looking } from './search.ts';
import { ch, integer, joined, named } from './statement.ts';
import { EVENTS } from './tables.ts';
import { partitionsWithin } from './visible.ts';

/** @throws QueryTooLargeError */
export async function countEvents(of: Looking, query: AuditCounting): Promise<AuditCount[]> {
  const { by, intervalMicros = 0 } = query;
  const range = { fromMicros: query.sinceMicros, toMicros: query.beforeMicros };
  const partitions = partitionsWithin(of.visible, range);
  if (range.fromMicros >= range.toMicros || partitions.length === 0) return [];
  const interval =
    intervalMicros === 0 ? ch`0` : ch`intDiv(time_micros, ${integer(intervalMicros)})`;
  const values = by.map((field, index) => {
    const value =
      field === 'raw_status_code' || field === 'id'
        ? named(field)
        : ch`ifNull(${named(field)}, '')`;
    return ch`${value} as ${named(`v${index}`)}`;
  });
  const groups = ['slot', ...by.map((_, index) => `v${index}`)].map(named);
  const rows = await of.clickhouse.read<Record<string, string | number | null>>(
    ch`select ${joined([ch`${interval} as slot`, ...values], ', ')}, count() as events
      from ${named(EVENTS)}
      where ${joined([...inRange(of, partitions, range), ...passing(query)], ' and ')}
      group by ${joined(groups, ', ')} limit ${integer(MAX_AUDIT_COUNTS + 1)}`,
    { max_execution_time: MAX_COUNTING_MS / 1000 },
  );
  if (rows.length > MAX_AUDIT_COUNTS) {
    throw new QueryTooLargeError(
      `there are more than ${MAX_AUDIT_COUNTS} different counts: choose a shorter time from since to before, a longer interval or a filter`,
    );
  }
  return rows.map((row) => ({
    startMicros: Number(row['slot']) * intervalMicros,
    values: by.map((_, index) => row[`v${index}`] ?? ''),
    count: Number(row['events']),
  }));
}
