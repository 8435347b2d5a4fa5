import type { AttemptResult, ObjectToPut, Plan } from '@trailpush/core';
import type { Batch, CloseReason } from './batch.ts';
import { idempotencyKey, objectName, NAME_CHOICES, type NameParts } from './object-name.ts';
import { ENCODER_VERSION, type Payload, type PayloadBuilder } from './payload.ts';
import type { Track } from './track.ts';
import type { Shared } from './shared.ts';
import { Wakeup } from './wakeup.ts';

/** R2 answers 429 to two writes of one key within a second. */
const MIN_ATTEMPT_SPACING_MS = 1000;
const BODY_WAIT_MS = 60_000;

/** A batch that was closed: how it goes from here to confirmed is `deliver`. */
export class Delivery {
  /** Undefined until it is stored. */
  plan: Plan | undefined;
  /** Offset of the first line, for a plan that is not stored yet. */
  readonly firstOffset: number;
  readonly last: number;
  readonly reason: CloseReason;
  confirmed = false;
  /** Set while the body must be read again; the catch-up lane looks for it. */
  wantsBody = false;
  readonly bodyCame = new Wakeup();
  #builder: PayloadBuilder | undefined;
  #payload: Payload | undefined;
  #batch: Batch | undefined;
  #storing: Promise<boolean> | undefined;
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

  /** Of a stored plan; its body must be read again. */
  static ofPlan(plan: Plan): Delivery {
    const delivery = new Delivery({ firstOffset: plan.first, last: plan.last, reason: 'plan' });
    delivery.plan = plan;
    delivery.confirmed = plan.confirmed;
    return delivery;
  }

  get heldBytes(): number {
    return this.#builder?.heldBytes ?? 0;
  }

  /** Lets the body go; it can be read again, since the plan says how. */
  dropBody(): void {
    if (!this.plan) return;
    this.release();
  }

  release(): void {
    this.#builder?.release();
    this.#builder = undefined;
    this.#payload = undefined;
  }

  /** Takes a body that was read again. */
  adopt(builder: PayloadBuilder): void {
    this.release();
    this.#builder = builder;
    this.wantsBody = false;
    this.bodyCame.notify();
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
    const { topic, partition, incarnation } = track.progress.ownership;
    this.plan = await track.progress.insertPlan(jobId, tail, batch.firstOffset, (first, choice) => {
      if (!track.deliveries.includes(this)) return undefined;
      const range = { jobId, partition, contentRevision, first, last: this.last };
      const times = { minTimestampMs, maxTimestampMs };
      const parts = { ...range, ...times, topic, incarnation };
      return {
        ...range,
        ...times,
        ...this.#address(track, shared, parts, choice),
        idempotencyKey: idempotencyKey(parts),
        payloadHash,
        encoderVersion: ENCODER_VERSION,
        records,
        payloadBytes: payload.bytes,
        deadLetterId: track.progress.deadLetterId,
        confirmed: false,
      };
    });
    this.#batch = undefined;
    return this.plan !== undefined;
  }

  #address(track: Track, shared: Shared, parts: NameParts, choice: number): { location: string; key: string } {
    if (choice >= NAME_CHOICES) throw new Error(`no free name for job ${track.jobId} at ${parts.first}`);
    const { place } = track.open;
    const name = objectName(parts, choice);
    return {
      location: place.location,
      key: shared.objectKey(place.pathTemplate, parts.minTimestampMs, name),
    };
  }

  /**
   * A job that was given another place takes its open plans along. False: the job must be reloaded.
   */
  async moveToPlace(track: Track, shared: Shared): Promise<boolean> {
    const { plan } = this;
    if (!plan) return false;
    const { topic, incarnation } = track.progress.ownership;
    const parts = { ...plan, topic, incarnation };
    const now = this.#address(track, shared, parts, 0);
    const folder = (key: string) => key.slice(0, key.lastIndexOf('/') + 1);
    if (plan.location === now.location && folder(plan.key) === folder(now.key)) return true;
    this.plan = await track.progress.replacePlan((choice) => ({
      ...plan,
      ...this.#address(track, shared, parts, choice),
    }));
    return this.plan !== undefined;
  }

  /** The object to put, or undefined while its body must be read again. */
  async object(track: Track): Promise<ObjectToPut | undefined> {
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
      contentType: 'application/x-ndjson',
      metadata: {
        jobId: plan.jobId,
        topic: track.progress.ownership.topic,
        partition: plan.partition,
        firstOffset: plan.first,
        lastOffset: plan.last,
        records: plan.records,
      },
    };
  }

  /** Resolves when a body has come (or it is time to look again). */
  async waitForBody(track: Track, shared: Shared, signal: AbortSignal): Promise<void> {
    this.wantsBody = true;
    track.bodyWanted();
    await this.bodyCame.wait(shared.clock, BODY_WAIT_MS, signal);
  }

  async spaceAttempts(shared: Shared, signal: AbortSignal): Promise<void> {
    const waitMs = this.#lastAttemptAtMs + MIN_ATTEMPT_SPACING_MS - shared.clock.monotonic();
    if (waitMs > 0) await shared.clock.sleep(waitMs, signal);
    this.#lastAttemptAtMs = shared.clock.monotonic();
  }
}

/**
 * Plan, put, advance: takes a closed batch to where its offsets are behind the job's cursor.
 * Ends early, without harm, when `signal` aborts. False: the job must be reloaded.
 */
export async function deliver(
  delivery: Delivery,
  track: Track,
  shared: Shared,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await delivery.store(track, shared))) return false;
  while (!delivery.confirmed) {
    const result = await attempt(delivery, track, shared, signal);
    if (result === 'reload') return false;
    delivery.confirmed = result?.verdict.kind === 'delivered';
  }
  const { plan } = delivery;
  if (!plan) return false;
  delivery.release();
  const cursor = await track.progress.confirmPlan(plan);
  if (cursor === undefined) return false;
  track.confirmed(cursor);
  return true;
}

/** One attempt when it is our turn. Undefined: there was no body yet. */
async function attempt(
  delivery: Delivery,
  track: Track,
  shared: Shared,
  signal: AbortSignal,
): Promise<AttemptResult | 'reload' | undefined> {
  const { health } = track.open;
  await health.turn(signal);
  let settled = false;
  try {
    if (!(await delivery.moveToPlace(track, shared))) return 'reload';
    const object = await delivery.object(track);
    if (object) {
      await delivery.spaceAttempts(shared, signal);
      const { open } = track;
      const result = await shared.uploads.put(open, object, signal);
      // An attempt that was cut short by us says nothing about the destination.
      signal.throwIfAborted();
      settled = true;
      if (result.verdict.kind === 'delivered') health.succeeded();
      else health.failed(result.verdict);
      shared.telemetry.attempted(open, delivery, object, result);
      return result;
    }
  } finally {
    if (!settled) health.yieldTurn();
  }
  await delivery.waitForBody(track, shared, signal);
  return undefined;
}
