import type { LogRecord } from '@trailpush/core';
import { Delivery } from './delivery.ts';
import { ENCODER_VERSION, PayloadBuilder } from './payload.ts';
import { makePlan } from './plan.ts';
import { PlanReader, type PlanToRead } from './plan-reader.ts';
import type { Shared } from './shared.ts';

/** One half of a plan as it is being made. */
class Half {
  readonly builder: PayloadBuilder;
  records = 0;
  lastOffset = 0;
  minTimestampMs = Number.POSITIVE_INFINITY;
  maxTimestampMs = Number.NEGATIVE_INFINITY;

  constructor(builder: PayloadBuilder) {
    this.builder = builder;
  }

  append({ offset, timestampMs }: LogRecord, line: Buffer, length: number): void {
    this.builder.append(line, length);
    this.records++;
    this.lastOffset = offset;
    if (timestampMs < this.minTimestampMs) this.minTimestampMs = timestampMs;
    if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
  }

  /** Ends it. What a plan says of it. */
  seal() {
    const { records, minTimestampMs, maxTimestampMs } = this;
    const payloadHash = this.builder.seal();
    return {
      ...{ records, minTimestampMs, maxTimestampMs },
      ...{ payloadHash, payloadBytes: this.builder.bytes },
    };
  }
}

/** Divides a plan whose body was refused as such into two, each with half of its records. */
export class Split extends PlanReader {
  readonly #left: Half;
  readonly #right: Half;
  /** All lines, to prove that they are what was planned; given back at once. */
  readonly #whole: PayloadBuilder;

  constructor(at: PlanToRead, shared: Shared) {
    super(at, shared);
    const { budget, gzipLevel } = shared;
    const newBuilder = () => new PayloadBuilder({ budget, gzipLevel, frame: at.content.frame });
    this.#left = new Half(newBuilder());
    this.#right = new Half(newBuilder());
    this.#whole = newBuilder();
  }

  take(record: LogRecord, line: Buffer, length: number): void {
    const isLeft = this.#left.records < Math.ceil(this.plan.records / 2);
    (isLeft ? this.#left : this.#right).append(record, line, length);
    this.#whole.append(line, length);
  }

  async finish(): Promise<void> {
    if (!this.isWanted) {
      this.abandon();
      return;
    }
    const { plan, track, delivery, shared } = this;
    const records = this.#left.records + this.#right.records;
    const payloadHash = this.#whole.seal();
    this.#whole.release();
    const isSame = payloadHash === plan.payloadHash || plan.encoderVersion !== ENCODER_VERSION;
    if (!isSame || records !== plan.records) throw this.mismatch(records, payloadHash);
    const middle = this.#left.lastOffset;
    const left = { ...plan, last: middle, ...this.#left.seal() };
    const right = { ...plan, first: middle + 1, ...this.#right.seal() };
    const at = { ownership: track.progress.ownership, place: track.service.place, shared };
    const isDone = await track.progress.splitPlan(
      (choice) => [makePlan(left, at, choice), makePlan(right, at, choice)],
      ([first, second]) => {
        const halves = [
          Delivery.ofPlan(first, this.#left.builder),
          Delivery.ofPlan(second, this.#right.builder),
        ];
        this.#replace(halves);
      },
    );
    if (isDone) return;
    this.abandon();
    delivery.disown();
  }

  #replace(halves: readonly Delivery[]): void {
    const { track, delivery } = this;
    const at = track.deliveries.indexOf(delivery);
    if (at < 0) {
      this.abandon();
      return;
    }
    track.deliveries.splice(at, 1, ...halves);
    delivery.end();
    for (const half of halves) {
      half.firstRefusedAfter = delivery.firstRefusedAfter;
      if (track.lane !== 'none') track.run(half);
    }
  }

  override abandon(): void {
    super.abandon();
    this.#whole.release();
    this.#left.builder.release();
    this.#right.builder.release();
  }
}
