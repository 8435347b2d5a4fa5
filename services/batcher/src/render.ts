import type { LogRecord } from '@trailpush/core';
import { cutPlan } from './cut-plan.ts';
import { ENCODER_VERSION, PayloadBuilder } from './payload.ts';
import { makePlan } from './plan.ts';
import { PlanReader, type PlanToRead } from './plan-reader.ts';
import type { Shared } from './shared.ts';

/** Makes the body of a stored plan again: the same payload, which its hash proves. */
export class Render extends PlanReader {
  /** Behind the plan's own first offset when the log has lost that. */
  readonly #first: number;
  readonly #builder: PayloadBuilder;
  #records = 0;
  #minTimestampMs = Number.POSITIVE_INFINITY;
  #maxTimestampMs = Number.NEGATIVE_INFINITY;

  constructor(at: PlanToRead, shared: Shared) {
    super(at, shared);
    this.#first = this.position;
    const { budget, gzipLevel } = shared;
    this.#builder = new PayloadBuilder({ budget, gzipLevel, frame: at.content.frame });
  }

  take({ timestampMs }: LogRecord, line: Buffer, length: number): void {
    this.#builder.append(line, length);
    this.#records++;
    if (timestampMs < this.#minTimestampMs) this.#minTimestampMs = timestampMs;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
  }

  /** Hands the body to the delivery. */
  async finish(): Promise<void> {
    const payloadHash = this.#builder.seal();
    if (this.#first > this.plan.first) {
      await this.#cut(payloadHash);
      return;
    }
    const same = payloadHash === this.plan.payloadHash;
    if (!same && this.plan.encoderVersion === ENCODER_VERSION) {
      throw this.mismatch(this.#records, payloadHash);
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
    const { track, delivery, shared } = this;
    const payload = { payloadHash, records: this.#records, payloadBytes: this.#builder.bytes };
    const times = { minTimestampMs: this.#minTimestampMs, maxTimestampMs: this.#maxTimestampMs };
    const content = { ...this.plan, first: this.#first, ...payload, ...times };
    const { ownership } = track.progress;
    const at = { ownership, place: track.service.place, shared };
    const make = (choice: number) =>
      this.#records === 0 ? undefined : makePlan(content, at, choice);
    await cutPlan({ track, delivery, plan: this.plan, to: this.#first, make }, shared);
    this.#handOver();
  }

  override abandon(): void {
    super.abandon();
    this.#builder.release();
  }
}
