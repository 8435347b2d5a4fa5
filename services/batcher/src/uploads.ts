import PQueue from 'p-queue';
import type { AttemptResult, ObjectToPut } from '@trailpush/core';
import type { OpenJob } from './open-job.ts';

/** Puts under way at once. Bodies are in memory already, so more costs sockets, not memory. */
const UPLOAD_SLOTS = 16;
/** Failing jobs have a quarter of that, and can never take the slots of healthy ones. */
const PROBE_SLOTS = UPLOAD_SLOTS / 4;

/** Bounded uploads: one queue for healthy jobs, one for jobs that fail. */
export class Uploads {
  readonly #uploads = new PQueue({ concurrency: UPLOAD_SLOTS });
  readonly #probes = new PQueue({ concurrency: PROBE_SLOTS });

  /** One attempt, as soon as there is a slot. */
  async put(open: OpenJob, object: ObjectToPut, signal: AbortSignal): Promise<AttemptResult> {
    const queue = open.health.failing ? this.#probes : this.#uploads;
    const result = await queue.add(async () => {
      if (signal.aborted) return { verdict: { kind: 'retry' } } satisfies AttemptResult;
      return open.destination.put(object, signal);
    });
    return result;
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    await Promise.all([this.#uploads.onIdle(), this.#probes.onIdle()]);
  }
}
