import type { Clock, Logger } from '@trailpush/core';
import type { LogWorker } from './log-worker.ts';
import type { PartitionTable } from './partition-table.ts';

const EVERY_MS = 10_000;

export interface RetentionOptions {
  readonly worker: LogWorker;
  readonly table: PartitionTable;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

/**
 * Removes the oldest chunks that are older than `maxAgeMs` or beyond `maxBytes`, every ten seconds, in
 * steps small enough for appends and reads to pass between them. Returns what ends it.
 */
export function startRetention(options: RetentionOptions): () => void {
  const { clock, logger } = options;
  let running = false;
  let stopped = false;
  const stop = clock.every(EVERY_MS, () => {
    if (running) return;
    running = true;
    removeOld(options, () => stopped)
      .catch((error: unknown) => {
        // What that does to appends is the health of the log; this alone harms nobody yet.
        if (!stopped) logger.warn({ error }, 'Old records could not be removed.');
      })
      .finally(() => (running = false));
  });
  return () => {
    stopped = true;
    stop();
  };
}

async function removeOld(options: RetentionOptions, stopped: () => boolean): Promise<void> {
  const { worker, table, clock, logger, maxAgeMs, maxBytes } = options;
  const beforeMs = clock.now() - maxAgeMs;
  let records = 0;
  let bytes = 0;
  for (let more = true; more && !stopped();) {
    const step = await worker.call('removeOld', { beforeMs, maxBytes });
    table.update(step.bounds);
    records += step.removed.records;
    bytes += step.removed.bytes;
    more = step.more;
  }
  if (records > 0) logger.info({ records, bytes }, 'Removed old records from the embedded log.');
}
