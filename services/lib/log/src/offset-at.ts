import { OffsetOutOfRangeError, type PartitionBounds, type RecordLog } from '@trailpush/core';

/**
 * The first offset of a partition whose broker time is `timeMs` or later; its end when there is none.
 * Halves what is left with each read, so that it takes a few dozen reads at most.
 * @throws LogUnavailableError, LogClosedError
 */
export async function offsetAt(
  log: Pick<RecordLog, 'openReader'>,
  { partition, start, end }: PartitionBounds,
  timeMs: number,
): Promise<number> {
  let low = start;
  let high = end;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const reader = log.openReader(partition, middle);
    try {
      const { records } = await reader.read();
      const [first] = records;
      const last = records.at(-1);
      if (!first || !last || first.timestampMs >= timeMs) high = middle;
      else if (last.timestampMs < timeMs) low = last.offset + 1;
      else return records.find(({ timestampMs }) => timestampMs >= timeMs)?.offset ?? high;
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      // Retention has taken what lay there.
      low = Math.max(middle + 1, error.start);
    } finally {
      await reader.close();
    }
  }
  return Math.min(low, end);
}
