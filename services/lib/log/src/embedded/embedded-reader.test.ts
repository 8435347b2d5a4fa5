import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogClosedError } from '@trailpush/core';
import type { RecordLog } from '@trailpush/core';
import { numbered, partitionOf, record } from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { openEmbeddedLog } from './embedded-log.ts';

describe('a reader of the embedded log that waits', () => {
  let dir = '';
  let clock: FakeClock;
  let log: RecordLog;
  let partition = 0;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'trailpush-reader-'));
    clock = new FakeClock();
    log = await openEmbeddedLog({ dir, clock, logger: createRecordingLogger().logger });
    partition = await partitionOf(log, 'k');
  });
  afterEach(async () => {
    await log.close();
    rmSync(dir, { recursive: true });
    expect(clock.pendingTimers).toBe(0);
  });

  /** The other timer is that of retention. */
  async function untilItSleeps(): Promise<void> {
    await vi.waitUntil(() => clock.pendingTimers === 2);
  }

  it('is woken by an append, not by time', async () => {
    const reading = log.openReader(partition, 1).read();
    await untilItSleeps();
    await log.append([record('k', 'v')]);
    expect((await reading).records).toHaveLength(1);
  });

  it('answers after a second without records', async () => {
    const reading = log.openReader(partition, 1).read();
    await untilItSleeps();
    await clock.advance(1_000);
    expect(await reading).toEqual({ partition, start: 0, end: 1, nextOffset: 1, records: [] });
  });

  it('ends at once when it closes, or its log', async () => {
    const reader = log.openReader(partition, 1);
    const ended = expect(reader.read()).rejects.toThrow(LogClosedError);
    await untilItSleeps();
    await reader.close();
    await ended;
    const other = expect(log.openReader(partition, 1).read()).rejects.toThrow(LogClosedError);
    await untilItSleeps();
    await log.close();
    await other;
    await expect(log.openReader(partition, 1).read()).rejects.toThrow(LogClosedError);
  });

  it('knows the end as it is when the result is handed out', async () => {
    await log.append(numbered('k', 5));
    const result = await log.openReader(partition, 0).read();
    expect([result.end, result.nextOffset]).toEqual([6, 6]);
  });
});
