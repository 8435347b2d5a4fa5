import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogUnavailableError, messageOf } from '@trailpush/core';
import type { RecordLog } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { numbered, readAll, record, text } from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { openEmbeddedLog } from './embedded-log.ts';

const MIB = 1024 * 1024;

/** A disk of 16 MiB at `dir`, or the reason why there can be none. */
function mountSmallDisk(dir: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', dir], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `a small disk cannot be mounted here: ${messageOf(error).trim()}`;
  }
}

describe('an embedded log in trouble', () => {
  let dir = '';
  const opened: RecordLog[] = [];
  const { logger, lines } = createRecordingLogger();

  async function open(folder = dir): Promise<RecordLog> {
    const log = await openEmbeddedLog({ dir: folder, clock: systemClock, logger });
    opened.push(log);
    return log;
  }

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'trailpush-trouble-'));
    lines.length = 0;
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
    rmSync(dir, { recursive: true });
  });

  describe('on a small disk', () => {
    let notMounted: string | undefined;
    beforeEach(() => {
      notMounted = mountSmallDisk(dir);
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((log) => log.close()));
      if (notMounted === undefined) execFileSync('umount', [dir]);
    });

    it('refuses appends while the disk is full, keeps what it has, and recovers by itself', async ({
      skip,
    }) => {
      if (notMounted !== undefined) return skip(notMounted);
      const ballast = join(dir, 'ballast');
      writeFileSync(ballast, Buffer.alloc(6 * MIB));
      const log = await open();
      const acknowledged: string[] = [];
      const padding = ' '.repeat(100_000);
      let failure: unknown;
      for (let i = 0; failure === undefined; i += 1) {
        const value = `${i}${padding}`;
        await log.append([record('k', value)]).then(
          () => acknowledged.push(value),
          (error: unknown) => (failure = error),
        );
      }
      const sentence = `the disk that holds ${dir} is full: free some space there`;
      expect(failure).toEqual(new LogUnavailableError(sentence));
      expect(log.health()).toBe(sentence);
      expect(lines.at(-1)).toMatchObject({ level: 'error', fields: { trouble: sentence } });

      rmSync(ballast);
      await vi.waitUntil(() => log.health() === undefined, { timeout: 5_000 });
      expect(lines.at(-1)).toMatchObject({ level: 'info', fields: { trouble: sentence } });
      await log.append([record('k', 'room again')]);
      const found = (await readAll(log)).flatMap(({ records }) =>
        records.map((r) => text(r.value)),
      );
      expect(found).toEqual([...acknowledged, 'room again']);
      expect(acknowledged.length).toBeGreaterThan(10);
    });

    it('stores at most a beginning of a call that it refuses', async ({ skip }) => {
      if (notMounted !== undefined) return skip(notMounted);
      const log = await open();
      const large = Array.from({ length: 20 }, (_, i) => record('k', `${i}`.padEnd(1_000_000)));
      // These would fit: they must not follow what was refused before them.
      const call = [...large, ...numbered('k', 5)];
      await expect(log.append(call)).rejects.toThrow(/is full/);
      const found = (await readAll(log)).flatMap(({ records }) =>
        records.map((r) => text(r.value)),
      );
      expect(found.length).toBeGreaterThan(0);
      expect(found.length).toBeLessThan(20);
      expect(found).toEqual(call.slice(0, found.length).map(({ value }) => text(value)));
    });

    it('is well again at once when an append works', async ({ skip }) => {
      if (notMounted !== undefined) return skip(notMounted);
      const log = await open();
      const tooMuch = Buffer.alloc(7 * MIB);
      const calls = [0, 1, 2].map(() => log.append([{ key: 'k', value: tooMuch }]));
      const results = await Promise.allSettled(calls);
      expect(results.map(({ status }) => status)).toContain('rejected');
      expect(log.health()).toMatch(/is full/);
      await log.append([record('k', 'small')]);
      expect(log.health()).toBeUndefined();
    });
  });

  it('waits at damaged bytes, saying so, while everything else goes on', async () => {
    const log = await open();
    await log.append(numbered('k', 3));
    const { partition } = (await log.bounds()).find(({ end }) => end > 0)!;
    await log.close();
    const db = new Database(join(dir, 'log.db'));
    db.exec('UPDATE chunks SET data = zeroblob(10)');
    db.close();

    const again = await open();
    const reader = again.openReader(partition, 0);
    const begun = Date.now();
    expect(await reader.read()).toMatchObject({ records: [], nextOffset: 0, end: 3 });
    expect(Date.now() - begun).toBeGreaterThan(900);
    expect(again.health()).toBe(
      `partition ${partition} of the log is damaged (the 10 bytes stored at offset 0 are not 3 records): ` +
        'restore log.db from a backup',
    );
    await again.append(numbered('k', 2, 3));
    const rest = await again.openReader(partition, 3).read();
    expect(rest.records.map((r) => text(r.value))).toEqual(['k#3', 'k#4']);
    expect(again.health()).toMatch(/is damaged/);
    await reader.close();
    expect(again.health()).toBeUndefined();
  });

  it('says why it cannot be opened', async () => {
    const first = await open();
    await expect(open()).rejects.toThrow(
      `the log in ${dir} is in use by another process: stop it, or choose another data folder`,
    );
    await first.close();
    const file = join(dir, 'log.db');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const db = new Database(file);
    db.pragma('user_version = 99');
    db.close();
    await expect(open()).rejects.toThrow(/was written by a newer version of Trailpush/);
    writeFileSync(file, 'not a database, by a long way'.repeat(100));
    await expect(open()).rejects.toThrow(/is damaged \(file is not a database\): restore log.db/);
    await expect(open(file)).rejects.toThrow(/the data folder .* cannot be made: EEXIST/);
  });
});
