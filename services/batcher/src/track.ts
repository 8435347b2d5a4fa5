import type { CursorRow, LogRecord, Plan } from '@trailpush/core';
import { Batch, type CloseReason } from './batch.ts';
import type { Content } from './content.ts';
import { deliver } from './deliver.ts';
import { Delivery } from './delivery.ts';
import type { FencedProgress } from './fenced-progress.ts';
import type { OpenJob, Service } from './open-job.ts';
import { isOutOfPlans, lacksWitness } from './refusal.ts';
import type { Shared } from './shared.ts';
import type { Taker } from './sweep.ts';
import type { Lane, TrackOptions, TrackOwner } from './track-owner.ts';

/**
 * One job in one partition: the offset it stands at, its open batch, and its deliveries in order.
 *
 * - lane `live` (attached): looks at everything that the live lane reads, from `position` on.
 * - lane `catch-up` (detached): `position` is the next offset to look at; the lane brings it forward.
 *   When it reaches the live lane's position the track is attached with all that it holds.
 * - Detaching throws the open batch away, since the log is the buffer, and keeps the deliveries.
 * - Until `restore`, and after `drop`, nothing is known: such a track says nothing about what it owes.
 */
export class Track implements Taker {
  readonly jobId: number;
  readonly progress: FencedProgress;
  open: OpenJob;
  lane: Lane = 'none';
  position = 0;
  batch: Batch | undefined;
  deliveries: Delivery[] = [];
  /** Set in the catch-up lane while the track must wait for a plan to be done before it is fed on. */
  blocked = false;
  /**
   * Set while the catch-up lane goes through records read for this track among others. Whatever moves the
   * track meanwhile clears it: the lane then neither feeds it on from the middle nor brings it forward.
   */
  sweeping = false;
  /** True between `restore` and `drop`. */
  known = false;
  /** Broker time of the last record that the catch-up lane read for this track, if it did. */
  readUpToMs: number | undefined;
  readonly #shared: Shared;
  readonly #owner: TrackOwner;
  #stop = new AbortController();

  constructor(options: TrackOptions) {
    this.jobId = options.open.job.id;
    this.open = options.open;
    this.progress = options.progress;
    this.#shared = options.shared;
    this.#owner = options.owner;
  }

  /** What it takes to serve the job; only while a lane does. */
  get service(): Service {
    const { service } = this.open;
    if (!service) throw new Error(`job ${this.jobId} is not served`);
    return service;
  }

  get content(): Content {
    return this.service.content;
  }

  get contentRevision(): number {
    return this.open.job.contentRevision;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Behind the last offset that it wants: a replay ends, a job does not. */
  get end(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** False while the catch-up lane must not feed it on, to keep its pace. */
  get isDue(): boolean {
    return true;
  }

  /** True while its destination fails and there is something to probe it with. */
  get isHeldUp(): boolean {
    return this.open.health.failing && this.deliveries.length > 0 && !lacksWitness(this);
  }

  /** True while the open batch could not be closed, since no plan is free. */
  get isFull(): boolean {
    return this.batch !== undefined && isOutOfPlans(this);
  }

  /** The next offset that no delivery covers: where a batch that starts now begins. */
  get #tail(): number {
    const last = this.deliveries.at(-1);
    if (last) return last.last + 1;
    if (this.batch) return this.batch.firstOffset;
    return this.lane === 'live'
      ? Math.max(this.position, this.#owner.livePosition())
      : this.position;
  }

  /** The lowest offset that is not known to be delivered; undefined when nothing is owed. */
  get owedFrom(): number | undefined {
    const head = this.deliveries[0];
    const row = this.progress.rows.get(this.jobId);
    if (head) return head.plan?.first ?? row?.cursor ?? head.firstOffset;
    if (this.batch) return this.batch.firstOffset;
    if (this.lane !== 'live' || this.position > this.#owner.livePosition()) return this.position;
    return undefined;
  }

  wants(lane: Lane, offset: number, isSetAside: boolean): boolean {
    if (this.lane !== lane || offset < this.position || isSetAside) return false;
    return lane === 'live' || this.sweeping;
  }

  /** Adds one line. What cannot be taken now is read again later. */
  take(record: LogRecord, line: Buffer, length: number): void {
    const { limits, health } = this.open;
    const limit = this.batch?.wouldPass(limits, length, health.maxBytes);
    if (limit && !this.close(record.offset - 1, limit)) {
      if (this.lane === 'live') this.detach();
      else {
        this.blocked = true;
        this.pauseAt(record.offset);
      }
      return;
    }
    this.batch ??= new Batch({
      budget: this.#shared.budget,
      gzipLevel: this.#shared.gzipLevel,
      frame: this.content.frame,
      firstOffset: record.offset,
      nowMs: this.#shared.clock.monotonic(),
    });
    this.batch.append(line, length, record);
  }

  /** Leaves the catch-up lane's sweep, which has come to `offset`. */
  pauseAt(offset: number): void {
    this.sweeping = false;
    // A track that the sweep has not reached yet stays where it is.
    this.position = Math.max(this.position, offset);
  }

  /**
   * Closes the open batch, `lookedAt` being the last offset that was looked at, as far as is known.
   * False: no plan is free.
   */
  close(lookedAt: number, reason: CloseReason): boolean {
    if (!this.batch) return true;
    if (isOutOfPlans(this)) return false;
    const last = Math.max(lookedAt, this.batch.lastOffset);
    const delivery = Delivery.ofBatch(this.batch, last, reason);
    this.batch = undefined;
    this.deliveries.push(delivery);
    this.run(delivery);
    return true;
  }

  /** To the catch-up lane. */
  detach(): void {
    this.#goTo(this.#tail);
  }

  /** To the catch-up lane, which feeds it again when one of its plans is done. */
  detachUntilDone(): void {
    this.detach();
    this.blocked = this.deliveries.length > 0;
  }

  /** To the catch-up lane with the open batch, which no plan is free for, and which cannot be read again. */
  detachFull(position: number): void {
    this.position = position;
    this.lane = 'catch-up';
    this.blocked = true;
  }

  /** Goes on in the live lane, with all that it holds, when it has come as far. */
  handOver(horizon: number): void {
    if (this.position < horizon) return;
    this.lane = 'live';
    this.sweeping = false;
  }

  /** Stops serving a job; what is stored of it stays. */
  park(): void {
    if (!this.known || this.lane === 'none') return;
    this.detach();
    this.lane = 'none';
    this.#stop.abort();
    for (const delivery of this.deliveries) {
      delivery.dropBody();
      // After the pause the destination is asked again: it may be another one, or repaired.
      delivery.remedy = undefined;
    }
  }

  /** Serves a parked job again, from where it stopped. */
  unpark(): void {
    if (!this.known || this.lane !== 'none') return;
    this.lane = 'catch-up';
    this.#stop = new AbortController();
    for (const delivery of this.deliveries) this.run(delivery);
    this.#owner.wakeCatchUp();
  }

  /** Another revision of the job. Content changes take effect at the first unplanned offset. */
  revise(open: OpenJob): void {
    const contentChanged = open.job.contentRevision !== this.contentRevision;
    this.open = open;
    if (!contentChanged || !this.known) return;
    // The next plan begins where the last one ended, or at the stored cursor. What the old content has
    // looked at beyond that is looked at again, so that the plan is one content's from end to end.
    const last = this.deliveries.at(-1);
    const row = this.progress.rows.get(this.jobId);
    const from = last ? last.last + 1 : Math.min(row?.cursor ?? this.#tail, this.#tail);
    if (this.lane === 'none') this.position = from;
    else this.#goTo(from);
  }

  /**
   * Takes over what is stored: after a claim, and when memory and store disagree. What lies between
   * here and the live lane is the catch-up lane's to bring.
   */
  restore(row: CursorRow | undefined, plans: readonly Plan[]): void {
    this.drop();
    this.known = true;
    this.#stop = new AbortController();
    this.deliveries = plans.map((plan) => Delivery.ofPlan(plan));
    const lastPlan = plans.at(-1);
    this.position = lastPlan ? lastPlan.last + 1 : (row?.cursor ?? this.progress.liveFrom);
    if (!this.open.service) return;
    this.lane = this.laneAt(this.#owner.liveHorizon());
    for (const delivery of this.deliveries) this.run(delivery);
    this.#owner.wakeCatchUp();
  }

  protected laneAt(horizon: number): Lane {
    return this.position < horizon ? 'catch-up' : 'live';
  }

  /** The stored cursor after a confirmation: what lies below it is done. */
  confirmed(cursor: number): void {
    while ((this.deliveries[0]?.last ?? cursor) < cursor) this.deliveries.shift()?.end();
    this.open.health.lookAgain();
    // The live lane may be in the middle of what it read, and its position below the cursor.
    this.position = Math.max(this.position, cursor);
    // The full batch can go now, and the lane may go on behind it.
    if (this.blocked) this.blocked = !this.close(this.position - 1, 'bytes');
    this.#owner.wakeCatchUp();
  }

  /** The catch-up lane has something to do for this track. */
  wakeLane(): void {
    this.#owner.wakeCatchUp();
  }

  /** Ends all work and gives all memory back. */
  drop(): void {
    this.known = false;
    this.lane = 'none';
    this.blocked = false;
    this.sweeping = false;
    this.#stop.abort();
    this.#dropBatch();
    for (const delivery of this.deliveries) delivery.release();
    this.deliveries = [];
  }

  #goTo(position: number): void {
    this.position = position;
    this.lane = 'catch-up';
    this.blocked = false;
    this.sweeping = false;
    this.#dropBatch();
    this.#owner.wakeCatchUp();
  }

  #dropBatch(): void {
    this.batch?.payload.release();
    this.batch = undefined;
  }

  /** Begins a delivery, or goes on with it. */
  run(delivery: Delivery): void {
    const { signal } = this;
    deliver(delivery, this, this.#shared, signal).then(
      (done) => {
        if (!done && !signal.aborted) this.#owner.deliveryEnded(this, undefined);
      },
      (error: unknown) => {
        if (!signal.aborted) this.#owner.deliveryEnded(this, error);
      },
    );
  }
}
