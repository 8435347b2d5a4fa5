import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogUnavailableError } from '@trailpush/core';
import { LogWorker } from './log-worker.ts';

describe('LogWorker', () => {
  let dir = '';
  let worker: LogWorker;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'trailpush-worker-'));
    worker = new LogWorker(dir);
  });
  afterEach(async () => {
    await worker.close();
    rmSync(dir, { recursive: true });
  });

  it('answers in the order of the calls, each with its own reply', async () => {
    const answered: string[] = [];
    const note = (name: string) => () => void answered.push(name);
    const data = Buffer.alloc(3, 1);
    const [, bounds, found] = await Promise.all([
      worker.call('open', { path: join(dir, 'log.db'), partitions: 1 }).finally(note('open')),
      worker
        .call('append', { timestampMs: 1, chunks: [{ partition: 0, records: 2, data }] })
        .finally(note('append')),
      worker.call('read', { partition: 0, offset: 1, maxBytes: 1 }).finally(note('read')),
    ]);
    expect(answered).toEqual(['open', 'append', 'read']);
    expect(bounds).toEqual([{ partition: 0, start: 0, end: 2 }]);
    expect([...found.data]).toEqual([1, 1, 1]);
  });

  it('refuses what it cannot do any more when its thread has ended', async () => {
    const stopped = new LogUnavailableError(
      `the log in ${dir} has stopped (its thread ended): restart the process`,
    );
    const closed = worker.close();
    const behind = expect(worker.call('probe', undefined)).rejects.toThrow(LogUnavailableError);
    await closed;
    await behind;
    await expect(worker.call('probe', undefined)).rejects.toEqual(stopped);
  });
});
