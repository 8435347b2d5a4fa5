import PQueue from 'p-queue';
import {
  messageOf,
  type AttemptResult,
  type Clock,
  type Destination,
  type ObjectToPut,
} from '@trailpush/core';
import { Wakeup } from './wakeup.ts';

/** Puts under way at once. Bodies are in memory already, so more costs sockets, not memory. */
const UPLOAD_SLOTS = 16;
/** Failing jobs have a quarter of that, and can never take the slots of healthy ones. */
const PROBE_SLOTS = UPLOAD_SLOTS / 4;
/** A put that takes longer lends its slot, else a few destinations that never answer would hold them all. */
const LENDS_AFTER_MS = 100;
/** So many puts may have lent their slots; then slow ones keep theirs. */
const MAX_LENT = 1024;
/** A destination with a put that takes so long gets no other one meanwhile. */
const HANGS_AFTER_MS = 5000;
const LOOK_AGAIN_MS = 1000;

export interface Upload {
  readonly destination: Destination;
  readonly object: ObjectToPut;
  readonly signal: AbortSignal;
  readonly isProbe: boolean;
  /** Old events wait for new ones. */
  readonly isLive: boolean;
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
  /** Destinations with puts that hang, and how many those are. */
  readonly #hanging = new Map<Destination, number>();
  readonly #answered = new Wakeup();
  #lent = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One attempt, as soon as there is a slot. Undefined: it was not due any more. Never rejects. */
  async put(upload: Upload): Promise<UploadResult | undefined> {
    const { destination, signal, isDue, isProbe, isLive } = upload;
    const queue = isProbe ? this.#probes : this.#uploads;
    const isMoot = () => signal.aborted || !isDue();
    let attempt: Promise<UploadResult> | undefined;
    while (!attempt && !isMoot()) {
      if (this.#hanging.has(destination)) {
        await this.#answered.wait(signal, { clock: this.#clock, ms: LOOK_AGAIN_MS });
        continue;
      }
      const run = async (): Promise<void> => {
        if (isMoot() || this.#hanging.has(destination)) return;
        attempt = this.#attempt(upload);
        await this.#untilLent(attempt);
      };
      await queue.add(run, { priority: isLive ? 1 : 0 });
    }
    return attempt;
  }

  async #attempt(upload: Upload): Promise<UploadResult> {
    const startedMs = this.#clock.monotonic();
    const attempt = tryToPut(upload);
    const { destination } = upload;
    const hangs = await this.#takesLonger(attempt, HANGS_AFTER_MS);
    if (hangs) {
      this.#hanging.set(destination, (this.#hanging.get(destination) ?? 0) + 1);
      await attempt;
      const others = (this.#hanging.get(destination) ?? 1) - 1;
      if (others > 0) this.#hanging.set(destination, others);
      else this.#hanging.delete(destination);
      this.#answered.notify();
    }
    return { ...(await attempt), tookMs: this.#clock.monotonic() - startedMs };
  }

  /** Resolves when the slot of an attempt is free for another. */
  async #untilLent(attempt: Promise<UploadResult>): Promise<void> {
    if (!(await this.#takesLonger(attempt, LENDS_AFTER_MS))) return;
    if (this.#lent >= MAX_LENT) {
      await attempt;
      return;
    }
    this.#lent++;
    void attempt.finally(() => this.#lent--);
  }

  async #takesLonger(attempt: Promise<unknown>, ms: number): Promise<boolean> {
    const patience = new AbortController();
    const timeout = this.#clock.sleep(ms, patience.signal).then(
      () => true,
      () => false,
    );
    const ended = attempt.then(() => false);
    const isLonger = await Promise.race([ended, timeout]);
    patience.abort();
    return isLonger;
  }
}

/** A destination never throws; if one does, it is the trouble of its job alone. */
async function tryToPut({ destination, object, signal }: Upload): Promise<AttemptResult> {
  try {
    return await destination.put(object, signal);
  } catch (error) {
    return {
      verdict: { kind: 'retry' },
      message: `The attempt ended in an internal error: ${messageOf(error)}`,
    };
  }
}
