import type { LogRecord, Plan } from '@trailpush/core';
import type { Content } from './content.ts';
import type { Delivery } from './delivery.ts';
import { cutPlan } from './cut-plan.ts';
import { ENCODER_VERSION, PayloadBuilder } from './payload.ts';
import { makePlan } from './plan.ts';
import type { Shared } from './shared.ts';
import type { Taker } from './sweep.ts';
import type { Lane } from './track-owner.ts';
import type { Track } from './track.ts';

/** The payload under a plan is not what was promised: somebody must look before anything is put. */
export class PayloadMismatchError extends Error {}

/**
 * Makes the body of a stored plan again: the same offsets, the same content revision, and therefore the
 * same payload, which its hash proves.
 */
export class Render implements Taker {
  readonly track: Track;
  readonly delivery: Delivery;
  readonly plan: Plan;
  readonly content: Content;
  /** The next offset to look at. */
  position: number;
  sweeping = false;
  /** Behind the plan's own first offset when the log has lost that. */
  readonly #first: number;
  readonly #signal: AbortSignal;
  readonly #skip: ReadonlySet<number>;
  readonly #builder: PayloadBuilder;
  readonly #shared: Shared;
  #records = 0;
  #minTimestampMs = Number.POSITIVE_INFINITY;
  #maxTimestampMs = Number.NEGATIVE_INFINITY;

  private constructor(
    at: {
      track: Track;
      delivery: Delivery;
      plan: Plan;
      content: Content;
      skip: ReadonlySet<number>;
      signal: AbortSignal;
    },
    shared: Shared,
  ) {
    this.track = at.track;
    this.delivery = at.delivery;
    this.plan = at.plan;
    this.content = at.content;
    this.position = Math.max(at.plan.first, at.delivery.lostTo ?? 0);
    this.#first = this.position;
    this.#shared = shared;
    this.#signal = at.signal;
    this.#skip = at.skip;
    const { budget, gzipLevel } = shared;
    this.#builder = new PayloadBuilder({ budget, gzipLevel, frame: at.content.frame });
  }

  /** @throws PayloadMismatchError when the content revision of the plan is not stored any more. */
  static async open(track: Track, delivery: Delivery, plan: Plan, shared: Shared): Promise<Render> {
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
    return new Render({ track, delivery, plan, content, skip, signal }, shared);
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

  take({ timestampMs }: LogRecord, line: Buffer, length: number): void {
    this.#builder.append(line, length);
    this.#records++;
    if (timestampMs < this.#minTimestampMs) this.#minTimestampMs = timestampMs;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
  }

  /** Hands the body to the delivery, once all offsets were seen. @throws PayloadMismatchError */
  async finish(): Promise<void> {
    const payloadHash = this.#builder.seal();
    if (this.#first > this.plan.first) {
      await this.#cut(payloadHash);
      return;
    }
    const same = payloadHash === this.plan.payloadHash;
    if (!same && this.plan.encoderVersion === ENCODER_VERSION) {
      throw new PayloadMismatchError(
        `offsets ${this.plan.first} to ${this.plan.last} of partition ${this.plan.partition} gave ` +
          `${this.#records} records with hash ${payloadHash.slice(0, 16)}, and the plan says ` +
          `${this.plan.records} with ${this.plan.payloadHash.slice(0, 16)}`,
      );
    }
    if (!same) {
      // The plan may have been given another place meanwhile.
      const known = this.delivery.plan ?? this.plan;
      const plan = { ...known, payloadHash, encoderVersion: ENCODER_VERSION };
      this.delivery.plan = await this.track.progress.replacePlan(() => plan);
    }
    this.#handOver();
  }

  #handOver(): void {
    if (this.isWanted) this.delivery.adopt(this.#builder);
    else this.abandon();
  }

  /** The plan goes on as what the log still holds of it. */
  async #cut(payloadHash: string): Promise<void> {
    const { track, delivery } = this;
    const payload = { payloadHash, records: this.#records, payloadBytes: this.#builder.bytes };
    const times = { minTimestampMs: this.#minTimestampMs, maxTimestampMs: this.#maxTimestampMs };
    const content = { ...this.plan, first: this.#first, ...payload, ...times };
    const { ownership } = track.progress;
    const at = { ownership, place: track.service.place, shared: this.#shared };
    const make = (choice: number) =>
      this.#records === 0 ? undefined : makePlan(content, at, choice);
    await cutPlan({ track, delivery, plan: this.plan, to: this.#first, make }, this.#shared);
    this.#handOver();
  }

  abandon(): void {
    this.sweeping = false;
    this.#builder.release();
  }
}
