import type { LogRecord, Plan } from '@trailpush/core';
import type { Content } from './content.ts';
import type { Delivery } from './delivery.ts';
import type { Shared } from './shared.ts';
import type { Taker } from './sweep.ts';
import type { Lane } from './track-owner.ts';
import type { Track } from './track.ts';

/** The payload under a plan is not what was promised: somebody must look before anything is put. */
export class PayloadMismatchError extends Error {}

/** A plan whose records are to be read again, and what it takes to make its lines as they were. */
export interface PlanToRead {
  readonly track: Track;
  readonly delivery: Delivery;
  readonly plan: Plan;
  readonly content: Content;
  readonly skip: ReadonlySet<number>;
  readonly signal: AbortSignal;
}

/** @throws PayloadMismatchError when the content revision of the plan is not stored any more. */
export async function planToRead(
  track: Track,
  delivery: Delivery,
  plan: Plan,
  shared: Shared,
): Promise<PlanToRead> {
  // As it is now: the track may be given another content, or be paused, while the store is asked.
  const { signal, contentRevision } = track;
  let { content } = track;
  const skip = await track.progress.deadLettersOf(plan);
  if (plan.contentRevision !== contentRevision) {
    const spec = await shared.jobs.loadContent(plan.jobId, plan.contentRevision);
    if (!spec) {
      throw new PayloadMismatchError(`content revision ${plan.contentRevision} is not stored`);
    }
    content = shared.contents.compile(spec);
  }
  return { track, delivery, plan, content, skip, signal };
}

/** Reads the records of a stored plan again: the same offsets, under the same content revision. */
export abstract class PlanReader implements Taker {
  readonly track: Track;
  readonly delivery: Delivery;
  readonly plan: Plan;
  readonly content: Content;
  /** The next offset to look at. */
  position: number;
  sweeping = false;
  protected readonly shared: Shared;
  readonly #signal: AbortSignal;
  readonly #skip: ReadonlySet<number>;

  constructor(at: PlanToRead, shared: Shared) {
    this.track = at.track;
    this.delivery = at.delivery;
    this.plan = at.plan;
    this.content = at.content;
    this.position = Math.max(at.plan.first, at.delivery.lostTo ?? 0);
    this.shared = shared;
    this.#signal = at.signal;
    this.#skip = at.skip;
  }

  /** False when its delivery was done, given up or paused meanwhile. */
  get isWanted(): boolean {
    return !this.#signal.aborted && this.delivery.wantsBody;
  }

  /** Behind the last offset of its plan. */
  get end(): number {
    return this.plan.last + 1;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  /** What was set aside after the plan was made is in its payload. */
  wants(lane: Lane, offset: number): boolean {
    if (lane !== 'catch-up' || !this.sweeping) return false;
    return offset >= this.position && offset <= this.plan.last && !this.#skip.has(offset);
  }

  abstract take(record: LogRecord, line: Buffer, length: number): void;

  /** Does what the plan was read for, once all offsets were seen. @throws PayloadMismatchError */
  abstract finish(): Promise<void>;

  /** Gives everything back; what was read is not wanted any more. */
  abandon(): void {
    this.sweeping = false;
  }

  /** The same offsets gave something else than the plan says. */
  protected mismatch(records: number, payloadHash: string): PayloadMismatchError {
    const { first, last, partition } = this.plan;
    return new PayloadMismatchError(
      `offsets ${first} to ${last} of partition ${partition} gave ` +
        `${records} records with hash ${payloadHash.slice(0, 16)}, and the plan says ` +
        `${this.plan.records} with ${this.plan.payloadHash.slice(0, 16)}`,
    );
  }
}
