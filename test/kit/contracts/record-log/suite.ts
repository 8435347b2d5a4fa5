import { afterEach, beforeEach, expect } from 'vitest';
import type {
  AppendRecord,
  LogRecord,
  PartitionBounds,
  PartitionReader,
  ReadResult,
  RecordLog,
} from '@trailpush/core';

/** One fresh topic with at least two partitions. Members that a log cannot do are left out. */
export interface RecordLogTopic {
  /** A handle on the topic; the suite closes it. Without `severalHandles`, one is open at a time. */
  open(): Promise<RecordLog>;
  /** Removes the topic; every handle has been closed before. */
  cleanup(): Promise<void>;
  /** What the group has committed, per partition; asked after every handle was closed. */
  committed(groupId: string): Promise<ReadonlyMap<number, number>>;
  /** Makes the log lose all that it holds now, as retention does. Offsets go on. */
  readonly forgetAll?: () => Promise<void>;
  /** Uses up at least one offset of the partition without a record, as a transaction marker does. */
  readonly leaveGap?: (partition: number) => Promise<void>;
  /** Appends a record that the port cannot express. */
  readonly appendRaw?: (record: {
    partition: number;
    key: Uint8Array | null;
    value: Uint8Array | null;
  }) => Promise<void>;
}

export interface RecordLogHarness {
  createTopic(): Promise<RecordLogTopic>;
  /** True when several handles on one topic can be open at a time. */
  readonly severalHandles: boolean;
  /** A value of this size is taken (at least 2 MiB); one that is a tenth larger is refused. */
  readonly maxRecordBytes: number;
}

/** The topic of the running test, and what the tests share. */
export interface Suite {
  readonly harness: RecordLogHarness;
  readonly topic: () => RecordLogTopic;
  /** Opens a handle that is closed after the test. */
  readonly open: () => Promise<RecordLog>;
}

export function createSuite(harness: RecordLogHarness): Suite {
  let topic: RecordLogTopic | undefined;
  const opened: RecordLog[] = [];

  beforeEach(async () => {
    topic = await harness.createTopic();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
    await topic?.cleanup();
    topic = undefined;
  });

  const current = (): RecordLogTopic => {
    if (topic === undefined) throw new Error('no test is running');
    return topic;
  };
  return {
    harness,
    topic: current,
    open: async () => {
      const log = await current().open();
      opened.push(log);
      return log;
    },
  };
}

export function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString();
}

export function record(key: string, value: string): AppendRecord {
  return { key, value: Buffer.from(value) };
}

/** `count` records of one key whose values say their place. */
export function numbered(key: string, count: number, from = 0): AppendRecord[] {
  return Array.from({ length: count }, (_, i) => record(key, `${key}#${from + i}`));
}

export async function boundsOf(log: RecordLog, partition: number): Promise<PartitionBounds> {
  const found = (await log.bounds()).find((bounds) => bounds.partition === partition);
  if (found === undefined) throw new Error(`partition ${partition} has no bounds`);
  return found;
}

/** The partition that holds the records of a key, found by appending one. */
export async function partitionOf(log: RecordLog, key: string): Promise<number> {
  const before = await log.bounds();
  await log.append([record(key, 'where is it')]);
  const after = await log.bounds();
  const grown = after.filter((now) => now.end > (before[now.partition]?.end ?? 0));
  if (grown.length !== 1) throw new Error(`${grown.length} partitions grew by one record`);
  return grown[0]!.partition;
}

/** What must hold of any result of a read at `position`. */
export function expectConsistent(result: ReadResult, position: number): void {
  let next = position;
  let timestampMs = 0;
  for (const found of result.records) {
    expect(found.offset).toBeGreaterThanOrEqual(next);
    expect(found.timestampMs).toBeGreaterThanOrEqual(timestampMs);
    next = found.offset + 1;
    timestampMs = found.timestampMs;
  }
  expect(result.nextOffset).toBeGreaterThanOrEqual(next);
  expect(result.end).toBeGreaterThanOrEqual(result.nextOffset);
  expect(result.start).toBeLessThanOrEqual(position);
}

/** Reads on until `end`; fails when that takes more than half a minute. */
export async function readTo(
  reader: PartitionReader,
  position: number,
  end: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const deadline = Date.now() + 30_000;
  let next = position;
  while (next < end) {
    if (Date.now() > deadline) throw new Error(`reading stands at ${next}, not at ${end}`);
    const result = await reader.read();
    expect(result.partition).toBe(reader.partition);
    expectConsistent(result, next);
    records.push(...result.records.map(copyOf));
    next = result.nextOffset;
  }
  return records;
}

/** The reader takes its memory back at the next read. */
function copyOf({ offset, timestampMs, key, value }: LogRecord): LogRecord {
  return { offset, timestampMs, key: key && Buffer.from(key), value: value && Buffer.from(value) };
}

/** Everything from `position` to the present end. */
export async function readRest(
  log: RecordLog,
  partition: number,
  position: number,
): Promise<LogRecord[]> {
  const { end } = await boundsOf(log, partition);
  const reader = log.openReader(partition, position);
  try {
    return await readTo(reader, position, end);
  } finally {
    await reader.close();
  }
}

/** Everything that the log holds, partition after partition. */
export async function readAll(
  log: RecordLog,
): Promise<{ readonly partition: number; readonly records: LogRecord[] }[]> {
  const found = [];
  for (const { partition, start } of await log.bounds()) {
    found.push({ partition, records: await readRest(log, partition, start) });
  }
  return found;
}

/** Waits for a condition; fails with `what` after the deadline. */
export async function until(what: string, holds: () => boolean, deadlineMs = 30_000) {
  const deadline = Date.now() + deadlineMs;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
