import type { Job, ObjectToPut, Plan } from '@trailpush/core';
import type { Batch, CloseReason } from './batch.ts';
import type { JobPlace } from './open-job.ts';
import type { Payload, PayloadBuilder } from './payload.ts';
import { addressOf, makePlan } from './plan.ts';
import type { Remedy } from './refusal.ts';
import type { Track } from './track.ts';
import type { Shared } from './shared.ts';
import { Wakeup } from './wakeup.ts';

/** R2 answers 429 to two writes of one key within a second. */
const MIN_ATTEMPT_SPACING_MS = 1000;
const BODY_WAIT_MS = 60_000;

/** A batch that was closed. How it goes from here to confirmed: see `deliver`. */
export class Delivery {
  /** Undefined until it is stored. */
  plan: Plan | undefined;
  /** Offset of the first line, for a plan that is not stored yet. */
  readonly firstOffset: number;
  readonly last: number;
  readonly reason: CloseReason;
  confirmed = false;
  /** Set when nothing is left to do, not even to advance. */
  ended = false;
  /** Set while the body must be read again; the catch-up lane looks for it. */
  wantsBody = false;
  /** Where the log begins by now, when it has lost offsets that the body needs. */
  lostTo: number | undefined;
  /** Set while the plan must be split or given up before another attempt. */
  remedy: Remedy | undefined;
  /** What the receiver said when it refused the only record; see `remedyOf`. */
  refusal = '';
  /** How many objects the job had delivered when this one was refused as such last, if it was. */
  refusedAfter: number | undefined;
  /** The same of the first time that it was refused, or what it was split from. */
  firstRefusedAfter: number | undefined;
  readonly #bodyCame = new Wakeup();
  #builder: PayloadBuilder | undefined;
  #payload: Payload | undefined;
  #batch: Batch | undefined;
  #storing: Promise<boolean> | undefined;
  /** Set while an attempt needs the body. */
  #inUse = false;
  #lastAttemptAtMs = Number.NEGATIVE_INFINITY;

  private constructor(at: { firstOffset: number; last: number; reason: CloseReason }) {
    this.firstOffset = at.firstOffset;
    this.last = at.last;
    this.reason = at.reason;
  }

  /** Of a batch that is closed now. */
  static ofBatch(batch: Batch, last: number, reason: CloseReason): Delivery {
    const delivery = new Delivery({ firstOffset: batch.firstOffset, last, reason });
    delivery.#batch = batch;
    delivery.#builder = batch.payload;
    return delivery;
  }

  /** Of a stored plan, with its sealed body; without one, it must be read again. */
  static ofPlan(plan: Plan, builder?: PayloadBuilder): Delivery {
    const delivery = new Delivery({ firstOffset: plan.first, last: plan.last, reason: 'plan' });
    delivery.plan = plan;
    delivery.confirmed = plan.confirmed;
    delivery.#builder = builder;
    return delivery;
  }

  get heldBytes(): number {
    return this.#builder?.heldBytes ?? 0;
  }

  /** Smallest broker time of its records. */
  get minTimestampMs(): number {
    return this.plan?.minTimestampMs ?? this.#batch?.minTimestampMs ?? 0;
  }

  /** Lets the body go; it can be read again, since the plan says how. Not in the middle of an attempt. */
  dropBody(): void {
    if (this.plan && !this.#inUse) this.release();
  }

  /** Keeps the body while `work` waits for it and sends it. */
  async using<T>(work: () => Promise<T>): Promise<T> {
    this.#inUse = true;
    try {
      return await work();
    } finally {
      this.#inUse = false;
    }
  }

  release(): void {
    this.#builder?.release();
    this.#builder = undefined;
    this.#payload = undefined;
  }

  /** True when an attempt may have been made, by us or by an earlier owner. */
  get isPossiblyDelivered(): boolean {
    return this.reason === 'plan' || Number.isFinite(this.#lastAttemptAtMs);
  }

  /** The plan is not open any more, be it confirmed or cut away. */
  end(): void {
    this.ended = true;
    this.confirmed = true;
    this.wantsBody = false;
    this.release();
    this.#bodyCame.notify();
  }

  /** What is stored is not what this delivery believes: its run finds so, and has the job reloaded. */
  disown(): void {
    this.plan = undefined;
    this.wantsBody = false;
    this.#bodyCame.notify();
  }

  /** The log begins at `start` by now. Who waits for this body does so no longer. */
  lose(start: number): void {
    this.lostTo = start;
    this.#bodyCame.notify();
  }

  /** True when nothing can be done about it before those ahead of it are done: see `Renders`. */
  isLostBehind(track: Track): boolean {
    return this.lostTo !== undefined && track.deliveries[0] !== this;
  }

  /** Takes a body that was read again. */
  adopt(builder: PayloadBuilder): void {
    this.release();
    this.#builder = builder;
    this.wantsBody = false;
    // It was read for itself, since what was to be done could not be done any more.
    this.remedy = undefined;
    this.#bodyCame.notify();
  }

  /** Step 2: the intent is stored before the first attempt. False: the job must be reloaded. */
  async store(track: Track, shared: Shared): Promise<boolean> {
    // A job that is paused and goes on asks a second time, while the first call may still be under way.
    this.#storing ??= this.#store(track, shared);
    return this.#storing;
  }

  async #store(track: Track, shared: Shared): Promise<boolean> {
    const batch = this.#batch;
    if (!batch) return true;
    const payloadHash = batch.payload.seal();
    const { payload, records, minTimestampMs, maxTimestampMs } = batch;
    const previous = track.deliveries[track.deliveries.indexOf(this) - 1];
    const tail = previous ? previous.last + 1 : undefined;
    const { contentRevision, jobId } = track;
    const at = { ownership: track.progress.ownership, place: track.service.place, shared };
    this.plan = await track.progress.insertPlan(jobId, tail, batch.firstOffset, (first, choice) => {
      if (!track.deliveries.includes(this)) return undefined;
      if (first > batch.firstOffset) {
        // The cursor has passed lines that were not delivered: whatever is in memory is wrong.
        throw new Error(
          `job ${jobId} owes from ${first} on, and has lines of ${batch.firstOffset}`,
        );
      }
      const range = { jobId, contentRevision, first, last: this.last };
      const times = { minTimestampMs, maxTimestampMs };
      const { deadLetterId } = track.progress;
      const content = { payloadHash, records, payloadBytes: payload.bytes, deadLetterId };
      return makePlan({ ...range, ...times, ...content }, at, choice);
    });
    this.#batch = undefined;
    return this.plan !== undefined;
  }

  /**
   * A job that was given another place takes its open plans along. False: the job must be reloaded.
   */
  async moveTo(place: JobPlace, track: Track, shared: Shared): Promise<boolean> {
    const { plan } = this;
    if (!plan) return false;
    const at = { ownership: track.progress.ownership, place, shared };
    const now = addressOf(plan, at, 0);
    if (plan.location === now.location && folderOf(plan.key) === folderOf(now.key)) return true;
    this.plan = await track.progress.replacePlan((choice) => ({
      ...plan,
      ...addressOf(plan, at, choice),
    }));
    return this.plan !== undefined;
  }

  /** Undefined while its body must be read again. */
  async #object(track: Track): Promise<ObjectToPut | undefined> {
    const { plan } = this;
    const builder = this.#builder;
    if (!plan || !builder) return undefined;
    this.#payload ??= await builder.finish();
    if (!this.#payload) return undefined;
    return {
      key: plan.key,
      idempotencyKey: plan.idempotencyKey,
      body: this.#payload.pieces,
      bodyBytes: this.#payload.wireBytes,
      contentType: builder.contentType,
      metadata: {
        ...namesOf(track.open.job),
        topic: track.progress.ownership.topic,
        partition: plan.partition,
        firstOffset: plan.first,
        lastOffset: plan.last,
        records: plan.records,
      },
    };
  }

  /** Whoever is lost behind others takes no turn from them: they may wait for nothing else. */
  async whileLostBehind(track: Track, shared: Shared, signal: AbortSignal): Promise<void> {
    while (this.isLostBehind(track) && this.plan && !this.ended) {
      signal.throwIfAborted();
      await this.#askForBody(track, shared, signal);
    }
  }

  /**
   * The object to put, once its body is there. Undefined: the plan has changed, is not open any more or
   * lost behind others.
   */
  async objectWhenRead(
    track: Track,
    shared: Shared,
    signal: AbortSignal,
  ): Promise<ObjectToPut | undefined> {
    for (;;) {
      signal.throwIfAborted();
      if (this.ended || !this.plan) return undefined;
      const object = await this.#object(track);
      if (object) return object;
      if (this.isLostBehind(track)) return undefined;
      await this.#askForBody(track, shared, signal);
    }
  }

  /** Resolves when the remedy was applied, or is not to be applied any more. */
  async remedied(track: Track, shared: Shared, signal: AbortSignal): Promise<void> {
    while (this.remedy && this.plan && !this.ended) {
      signal.throwIfAborted();
      await this.#askForBody(track, shared, signal);
    }
  }

  async #askForBody(track: Track, shared: Shared, signal: AbortSignal): Promise<void> {
    this.wantsBody = true;
    track.wakeLane();
    await this.#bodyCame.wait(signal, { clock: shared.clock, ms: BODY_WAIT_MS });
  }

  async spaceAttempts(shared: Shared, signal: AbortSignal): Promise<void> {
    const waitMs = this.#lastAttemptAtMs + MIN_ATTEMPT_SPACING_MS - shared.clock.monotonic();
    if (waitMs > 0) await shared.clock.sleep(waitMs, signal);
    this.#lastAttemptAtMs = shared.clock.monotonic();
  }
}

/** An object of a replay holds events of the job that it repeats. */
function namesOf({ id, replay }: Job): { jobId: number; replayId?: number } {
  return replay ? { jobId: replay.ofJobId, replayId: id } : { jobId: id };
}

function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1);
}
