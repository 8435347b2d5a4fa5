import type { LastRead, PartitionBounds, RecordLog } from '@trailpush/core';
import { findCut } from '@trailpush/log';

/** How the log was found to be another one. */
export interface Cut {
  /** A sentence. */
  readonly reason: string;
  /** Stored in place of what was read last, it makes the next claim find the same. */
  readonly lastRead: LastRead;
}

/**
 * Whether the log still is the one that was read. To a reader, a topic that was cut or made anew and filled past
 * its position between two reads looks like any other; but what was read before is not there any more as it was.
 */
export class LogCheck {
  readonly #log: RecordLog;
  #known: LastRead | null;

  constructor(log: RecordLog, known: LastRead | null) {
    this.#log = log;
    this.#known = known;
  }

  /**
   * Undefined while all is well. `latest` is what was read last before `bounds` were asked for.
   * @throws LogUnavailableError; OffsetOutOfRangeError; LogClosedError when `signal` aborts.
   */
  async findCut(
    latest: LastRead | null,
    bounds: PartitionBounds,
    signal: AbortSignal,
  ): Promise<Cut | undefined> {
    const known = this.#known;
    const reason = await findCut(this.#log, { liveFrom: 0, lastRead: known }, bounds, signal);
    if (reason === undefined || known === null) {
      this.#known = latest;
      return undefined;
    }
    // What is stored never goes back to an earlier offset, so the time has to give it away.
    const offset = Math.max(known.offset, latest?.offset ?? 0);
    return { reason, lastRead: { offset, timestampMs: known.timestampMs } };
  }
}
