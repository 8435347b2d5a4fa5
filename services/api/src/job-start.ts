import {
  LogClosedError,
  LogUnavailableError,
  messageOf,
  OffsetOutOfRangeError,
  type Clock,
  type PartitionBounds,
  type RecordLog,
  type Start,
} from '@trailpush/core';
import { offsetAt, partitionOfKey } from '@trailpush/log';

import { ApiError, CODE, invalidProperty } from './envelope.ts';

export interface JobStartDeps {
  readonly log: Pick<RecordLog, 'topic' | 'bounds' | 'openReader'>;
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * Refuses a `start_at` (broker time, milliseconds) that no place in the log can be stored for.
 * @throws ApiError (400)
 */
export function checkStartAt(
  startAtMs: number,
  { enabled, wasEnabled }: { enabled: boolean; wasEnabled: boolean },
  { clock }: Pick<JobStartDeps, 'clock'>,
): void {
  if (wasEnabled) {
    throw invalidProperty(
      'start_at',
      'start_at can only be given when a job is first enabled, and this one has its place in the log: leave start_at out, and start a replay of the job for older events',
    );
  }
  if (!enabled) {
    throw invalidProperty(
      'start_at',
      'start_at needs "enabled": true in the same request, as a job gets its place in the log when it is first enabled',
    );
  }
  const nowMs = clock.now();
  if (startAtMs > nowMs) {
    throw invalidProperty(
      'start_at',
      `start_at lies in the future, as it is ${iso(nowMs)} here: send an earlier time, or leave start_at out to start now`,
    );
  }
}

/**
 * Where a job starts that is enabled for the first time: at the end of the log, so that it must be asked
 * before anything is stored, or at the first records of `startAtMs` or later.
 * @throws ApiError 400 when the log no longer holds that time, 503 when it cannot be asked.
 */
export async function startOfJob(
  accountId: string,
  startAtMs: number | undefined,
  { log }: Pick<JobStartDeps, 'log'>,
): Promise<Start> {
  try {
    const bounds = await log.bounds();
    if (startAtMs !== undefined) await requireHeld(accountId, startAtMs, bounds, log);
    const offsets = await Promise.all(
      bounds.map(async (of): Promise<[number, number]> => [
        of.partition,
        startAtMs === undefined ? of.end : await offsetAt(log, of, startAtMs),
      ]),
    );
    return { topic: log.topic, offsets: new Map(offsets) };
  } catch (error) {
    if (!(error instanceof LogUnavailableError || error instanceof LogClosedError)) throw error;
    const message = `the job was not saved, as the log could not be asked where the job is to start: ${messageOf(error)}; try again`;
    throw new ApiError(503, [{ code: CODE.unavailable, message }]);
  }
}

/** Retention works by partition, so the one of the account's own events decides. */
async function requireHeld(
  accountId: string,
  startAtMs: number,
  bounds: readonly PartitionBounds[],
  log: JobStartDeps['log'],
): Promise<void> {
  const own = partitionOfKey(Buffer.from(accountId), bounds.length);
  const of = bounds.find(({ partition }) => partition === own);
  // What begins at offset 0 has lost nothing.
  if (!of || of.start === 0) return;
  const oldestMs = await oldestTime(log, of);
  if (oldestMs !== undefined && oldestMs <= startAtMs) return;
  const holds =
    oldestMs === undefined
      ? 'which holds no event from before now: leave start_at out to start now'
      : `which begins at ${iso(oldestMs)}: send that time or a later one, or leave start_at out to start now`;
  throw invalidProperty('start_at', `start_at lies before what is left in the log, ${holds}`);
}

/** Broker time of the oldest record; undefined when the partition is empty. */
async function oldestTime(
  log: JobStartDeps['log'],
  { partition, start, end }: PartitionBounds,
): Promise<number | undefined> {
  let next = start;
  while (next < end) {
    const reader = log.openReader(partition, next);
    try {
      const { records, nextOffset } = await reader.read();
      const [first] = records;
      if (first) return first.timestampMs;
      next = Math.max(next + 1, nextOffset);
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      // Retention has taken what lay there.
      next = Math.max(next + 1, error.start);
    } finally {
      await reader.close();
    }
  }
  return undefined;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
