import { beforeEach, describe, expect, it } from 'vitest';
import { LogClosedError } from '@trailpush/core';
import { numbered, record } from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { AppendQueue } from './append-queue.ts';
import { LogHealth } from './log-health.ts';
import { PartitionTable } from './partition-table.ts';
import type { NewChunk, Operations } from './protocol.ts';

/** A disk whose every write ends when the test says so. Real ones cannot be told to hang. */
class SlowDisk {
  readonly written: (readonly NewChunk[])[] = [];
  #finish: (() => void) | undefined;

  call(_name: string, request: unknown): Promise<never> {
    this.written.push((request as Operations['append']['request']).chunks);
    return new Promise((resolve) => (this.#finish = () => resolve([] as never)));
  }

  async finishWrite(): Promise<void> {
    this.#finish?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('AppendQueue', () => {
  let clock: FakeClock;
  let disk: SlowDisk;
  let queue: AppendQueue;

  beforeEach(() => {
    clock = new FakeClock();
    disk = new SlowDisk();
    queue = new AppendQueue({
      worker: disk,
      table: new PartitionTable([{ partition: 0, start: 0, end: 0 }]),
      health: new LogHealth(createRecordingLogger().logger),
      clock,
      lastTimestampMs: 0,
      maxRecordBytes: 8 * 1024 * 1024,
    });
  });

  it('stores what arrives during one transaction in the next one, in the order of arrival', async () => {
    const settled: number[] = [];
    const appends = [0, 1, 2, 3].map(async (i) => {
      await queue.append([record('k', `${i}`)]);
      settled.push(i);
    });
    expect(disk.written.map((chunks) => chunks.map(({ records }) => records))).toEqual([[1]]);
    await disk.finishWrite();
    expect(settled).toEqual([0]);
    expect(disk.written.map((chunks) => chunks.map(({ records }) => records))).toEqual([[1], [3]]);
    expect(String(disk.written[1]![0]!.data)).toMatch(/1.*2.*3/s);
    await disk.finishWrite();
    await Promise.all(appends);
    expect(settled).toEqual([0, 1, 2, 3]);
  });

  it('copies no more than one bounded transaction, however large the call', async () => {
    const large = Array.from({ length: 11 }, () => ({ key: 'k', value: Buffer.alloc(1_000_000) }));
    const appended = queue.append(large);
    let done = false;
    void appended.then(() => (done = true));
    for (let writes = 1; writes <= 3; writes += 1) {
      expect([disk.written.length, done]).toEqual([writes, false]);
      await disk.finishWrite();
    }
    await appended;
    const counts = disk.written.map((chunks) => chunks.reduce((sum, c) => sum + c.records, 0));
    expect(counts).toEqual([5, 5, 1]);
  });

  it('says so when the disk does not answer', async () => {
    const appended = queue.append([record('k', 'v')]);
    await clock.advance(9_000);
    expect(queue.slowness()).toBeUndefined();
    await clock.advance(3_000);
    expect(queue.slowness()).toBe('the disk of the log has not confirmed a write for 12 s');
    await disk.finishWrite();
    await appended;
    expect(queue.slowness()).toBeUndefined();
  });

  it('waits for the transaction under way when it closes, and refuses the rest', async () => {
    const underWay = queue.append(numbered('k', 2));
    const behind = queue.append(numbered('k', 2));
    const refused = expect(behind).rejects.toThrow(LogClosedError);
    const closed = queue.close();
    await refused;
    await disk.finishWrite();
    await Promise.all([underWay, closed]);
    expect(disk.written).toHaveLength(1);
  });
});
