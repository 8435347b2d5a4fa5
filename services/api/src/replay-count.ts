import {
  OffsetOutOfRangeError,
  UndecodableRecordError,
  type Clock,
  type Dataset,
  type EventFilter,
  type EventReader,
  type LogRecord,
  type RecordLog,
  type ReplayRange,
} from '@trailpush/core';

/** Well below the patience of clients and proxies. */
const MAX_COUNT_MS = 15_000;

export interface CountedRange extends ReplayRange {
  /** The next offset to look at; at least `to` when all was counted. */
  readonly next: number;
}

/** What a replay would deliver, as far as there was time to look. */
export interface ReplayCount {
  readonly ranges: readonly CountedRange[];
  /** Records of all accounts. */
  readonly examined: number;
  /** Those that the job would deliver. */
  readonly records: number;
  /** Those of the account that cannot be decoded; a replay sets them aside. */
  readonly undecodable: number;
}

interface Counter {
  readonly accountId: Buffer;
  readonly reader: EventReader;
  readonly filter: EventFilter | undefined;
  examined: number;
  records: number;
  undecodable: number;
}

/** Counts what a replay would deliver. Stops early when time is up: `next` says where to go on. */
export async function countReplay(
  job: { accountId: string; dataset: Dataset; filter: string },
  ranges: readonly ReplayRange[],
  { log, clock }: { log: Pick<RecordLog, 'openReader'>; clock: Pick<Clock, 'monotonic'> },
): Promise<ReplayCount> {
  const reader = job.dataset.openReader();
  const counter: Counter = {
    accountId: Buffer.from(job.accountId),
    reader,
    filter: reader.compileFilter(job.filter),
    examined: 0,
    records: 0,
    undecodable: 0,
  };
  const deadlineMs = clock.monotonic() + MAX_COUNT_MS;
  const hasTime = () => clock.monotonic() < deadlineMs;
  const counted: CountedRange[] = [];
  for (const range of ranges) {
    counted.push({ ...range, next: await countRange(range, counter, log, hasTime) });
  }
  const { examined, records, undecodable } = counter;
  return { ranges: counted, examined, records, undecodable };
}

async function countRange(
  { partition, from, to }: ReplayRange,
  counter: Counter,
  log: Pick<RecordLog, 'openReader'>,
  hasTime: () => boolean,
): Promise<number> {
  let next = from;
  while (next < to && hasTime()) {
    const reader = log.openReader(partition, next);
    try {
      while (next < to && hasTime()) {
        const result = await reader.read();
        for (const record of result.records) {
          if (record.offset < to) await countRecord(record, counter);
        }
        next = Math.min(to, result.nextOffset);
      }
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      // What retention takes meanwhile would be a gap of the replay.
      next = Math.min(to, Math.max(next + 1, error.start));
    } finally {
      await reader.close();
    }
  }
  return next;
}

async function countRecord({ key, value }: LogRecord, counter: Counter): Promise<void> {
  counter.examined++;
  if (key === null || value === null || !counter.accountId.equals(key)) return;
  try {
    while (!counter.reader.load(value, key)) await counter.reader.ready();
    if (counter.reader.isOfAccount && counter.filter?.() !== false) counter.records++;
  } catch (error) {
    if (!(error instanceof UndecodableRecordError)) throw error;
    counter.undecodable++;
  }
}
