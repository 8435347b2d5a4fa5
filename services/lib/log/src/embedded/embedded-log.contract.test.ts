import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Clock, RecordLog } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { recordLogContract } from '@trailpush/test/kit/contracts/record-log.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { openEmbeddedLog } from './embedded-log.ts';

const maxRecordBytes = 4 * 1024 * 1024;
const KEY_BYTES = 16;

/** The real clock, whose date can be put forward and whose timers can be made to tick. */
function adjustableClock() {
  let aheadMs = 0;
  const ticks = new Set<() => void>();
  const clock: Clock = {
    ...systemClock,
    now: () => systemClock.now() + aheadMs,
    every: (_, tick) => {
      ticks.add(tick);
      return () => ticks.delete(tick);
    },
  };
  return {
    clock,
    putForward: (ms: number) => {
      aheadMs += ms;
      for (const tick of ticks) tick();
    },
  };
}

recordLogContract('embedded', {
  severalHandles: false,
  maxRecordBytes: maxRecordBytes - KEY_BYTES,
  createTopic: async () => {
    const dir = mkdtempSync(join(tmpdir(), 'trailpush-log-'));
    const { clock, putForward } = adjustableClock();
    let current: RecordLog | undefined;
    return {
      open: async () => {
        current = await openEmbeddedLog({
          dir,
          clock,
          logger: createRecordingLogger().logger,
          maxRecordBytes,
        });
        return current;
      },
      cleanup: async () => rmSync(dir, { recursive: true }),
      committed: async (groupId) => {
        const db = new Database(join(dir, 'log.db'), { readonly: true });
        const rows = db
          .prepare<[string], [number, number]>(
            'SELECT partition, next_offset FROM positions WHERE group_id = ?',
          )
          .raw()
          .all(groupId);
        db.close();
        return new Map(rows);
      },
      forgetAll: async () => {
        putForward(8 * 24 * 3_600_000);
        const deadline = Date.now() + 5_000;
        while ((await current?.bounds())?.some(({ start, end }) => start !== end)) {
          if (Date.now() > deadline) throw new Error('retention removed nothing');
          await systemClock.sleep(5);
        }
      },
    };
  },
});
