import PQueue from 'p-queue';
import {
  messageOf,
  type AttemptResult,
  type Clock,
  type Destination,
  type ObjectToPut,
} from '@trailpush/core';

/** Puts under way at once. Bodies are in memory already, so more costs sockets, not memory. */
const UPLOAD_SLOTS = 16;
/** Failing jobs have a quarter of that, and can never take the slots of healthy ones. */
const PROBE_SLOTS = UPLOAD_SLOTS / 4;

export interface Upload {
  readonly destination: Destination;
  readonly object: ObjectToPut;
  readonly signal: AbortSignal;
  readonly isProbe: boolean;
  /** Asked when there is a slot: much may have changed in the queue. */
  readonly isDue: () => boolean;
}

export interface UploadResult extends AttemptResult {
  /** Of the put alone, without the queue. */
  readonly tookMs: number;
}

/** Bounded uploads: one queue for healthy jobs, one for jobs that fail. */
export class Uploads {
  readonly #clock: Clock;
  readonly #uploads = new PQueue({ concurrency: UPLOAD_SLOTS });
  readonly #probes = new PQueue({ concurrency: PROBE_SLOTS });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One attempt, as soon as there is a slot. Undefined: it was not due any more. Never rejects. */
  async put(upload: Upload): Promise<UploadResult | undefined> {
    const queue = upload.isProbe ? this.#probes : this.#uploads;
    return queue.add(async () => {
      if (upload.signal.aborted || !upload.isDue()) return undefined;
      const startedMs = this.#clock.monotonic();
      const result = await attempt(upload);
      return { ...result, tookMs: this.#clock.monotonic() - startedMs };
    });
  }
}

/** A destination never throws; if one does, it is the trouble of its job alone. */
async function attempt({ destination, object, signal }: Upload): Promise<AttemptResult> {
  try {
    return await destination.put(object, signal);
  } catch (error) {
    return {
      verdict: { kind: 'retry' },
      message: `The attempt ended in an internal error: ${messageOf(error)}`,
    };
  }
}
