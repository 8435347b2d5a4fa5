import {
  LogUnavailableError,
  type LastRead,
  type PartitionBounds,
  type RecordLog,
} from '@trailpush/core';

/**
 * The record that was read last must still be there as it was; otherwise the topic was made anew or cut,
 * and reading on would give old names to new events. Retention may have passed it: that is a gap.
 * @returns what is wrong, as a sentence. @throws LogUnavailableError; LogClosedError when `signal` aborts.
 */
export async function findCut(
  log: Pick<RecordLog, 'openReader'>,
  stored: { readonly liveFrom: number; readonly lastRead: LastRead | null },
  { partition, start, end }: PartitionBounds,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { lastRead, liveFrom } = stored;
  if (!lastRead) {
    return liveFrom > end
      ? `the log ends at ${end}, and it was to be read from ${liveFrom} on`
      : undefined;
  }
  if (lastRead.offset < start) return undefined;
  if (lastRead.offset >= end) {
    return `the log ends at ${end}, and offset ${lastRead.offset} was read before`;
  }
  const reader = log.openReader(partition, lastRead.offset);
  const close = () => void reader.close().catch(() => undefined);
  signal?.addEventListener('abort', close, { once: true });
  try {
    const { records, nextOffset } = await reader.read();
    const [record] = records;
    if (nextOffset <= lastRead.offset) throw new LogUnavailableError('the log gives no records');
    const isOther =
      record?.offset === lastRead.offset && record.timestampMs !== lastRead.timestampMs;
    return isOther
      ? `offset ${lastRead.offset} is another record than the one that was read before`
      : undefined;
  } finally {
    signal?.removeEventListener('abort', close);
    await reader.close();
  }
}
