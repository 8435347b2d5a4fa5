import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OffsetOutOfRangeError } from '@trailpush/core';
import type { RecordLog } from '@trailpush/core';
import {
  boundsOf,
  partitionOf,
  record,
  text,
} from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { openEmbeddedLog } from './embedded-log.ts';

const DAY_MS = 24 * 3_600_000;
const MIB = 1024 * 1024;

describe('retention of the embedded log', () => {
  let dir = '';
  let clock: FakeClock;
  const opened: RecordLog[] = [];
  const { logger, lines } = createRecordingLogger();

  async function open(limits: { maxAgeMs?: number; maxBytes?: number } = {}): Promise<RecordLog> {
    const log = await openEmbeddedLog({ dir, clock, logger, ...limits });
    opened.push(log);
    return log;
  }

  /** Ticks the timer of retention until the condition holds. */
  async function untilRetained(holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error('retention has not done it in 10 s');
      await clock.advance(10_000);
    }
  }

  function putForward(ms: number): void {
    clock.setWall(clock.now() + ms);
  }

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'trailpush-retention-'));
    clock = new FakeClock();
    lines.length = 0;
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
    rmSync(dir, { recursive: true });
    expect(clock.pendingTimers).toBe(0);
  });

  it('removes what is too old, and keeps what is not', async () => {
    const log = await open();
    const partition = await partitionOf(log, 'k');
    putForward(4 * DAY_MS);
    await log.append([record('k', 'younger')]);
    putForward(3 * DAY_MS - 20_000);
    await clock.advance(10_000);
    expect(await boundsOf(log, partition)).toEqual({ partition, start: 0, end: 2 });
    await untilRetained(async () => (await boundsOf(log, partition)).start > 0);
    expect(await boundsOf(log, partition)).toEqual({ partition, start: 1, end: 2 });
    await expect(log.openReader(partition, 0).read()).rejects.toThrow(OffsetOutOfRangeError);
    const kept = await log.openReader(partition, 1).read();
    expect(kept.records.map((r) => text(r.value))).toEqual(['younger']);
    expect(lines).toContainEqual({
      level: 'info',
      fields: { records: 1, bytes: 20 },
      message: 'Removed old records from the embedded log.',
    });
  });

  it('goes on with offsets and times after everything was removed and the log opened again', async () => {
    const log = await open();
    const partition = await partitionOf(log, 'k');
    const late = clock.now();
    putForward(7 * DAY_MS);
    await untilRetained(async () => (await boundsOf(log, partition)).start === 1);
    await log.close();
    clock.setWall(late - DAY_MS);
    const again = await open();
    expect(await boundsOf(again, partition)).toEqual({ partition, start: 1, end: 1 });
    await again.append([record('k', 'next')]);
    const { records } = await again.openReader(partition, 1).read();
    expect(records.map((r) => [r.offset, r.timestampMs])).toEqual([[1, late]]);
  });

  it('removes the oldest beyond its size, and gives the space back', async () => {
    const maxBytes = 8 * MIB;
    const log = await open({ maxBytes });
    const value = Buffer.alloc(MIB / 2);
    for (let i = 0; i < 160; i += 1) await log.append([{ key: 'k', value }]);
    const { partition, end } = (await log.bounds()).find((bounds) => bounds.end > 0)!;
    const file = join(dir, 'log.db');
    await untilRetained(async () => (await boundsOf(log, partition)).start > 140);
    // The file keeps 16 MiB free, so that a log at its limit does not shrink and grow all the time.
    await vi.waitUntil(() => statSync(file).size < maxBytes + 17 * MIB, { timeout: 10_000 });
    const { start } = await boundsOf(log, partition);
    expect(end - start).toBeGreaterThan(12);
    expect((await log.openReader(partition, end - 1).read()).records).toHaveLength(1);
  });

  it('lets a reader hand out what it had fetched, then says what is gone', async () => {
    const log = await open();
    const partition = await partitionOf(log, 'k');
    const value = Buffer.alloc(MIB);
    for (let i = 0; i < 5; i += 1) await log.append([{ key: 'k', value }]);
    const reader = log.openReader(partition, 0);
    const first = await reader.read();
    expect(first.nextOffset).toBe(2);
    // The fetch ahead was asked for before retention, and operations run in order.
    putForward(7 * DAY_MS);
    await untilRetained(async () => (await boundsOf(log, partition)).start === 6);
    const ahead = await reader.read();
    expect([ahead.start, ahead.nextOffset, ahead.records.length]).toEqual([0, 3, 1]);
    await expect(reader.read()).rejects.toMatchObject({ offset: 3, start: 6, end: 6 });
  });
});
