import {
  InvalidJobError,
  StoreUnavailableError,
  type OffsetOutOfRangeError,
} from '@trailpush/core';
import { cutPlan } from './cut-plan.ts';
import {
  PayloadMismatchError,
  planToRead,
  type PlanReader,
  type PlanToRead,
} from './plan-reader.ts';
import { Render } from './render.ts';
import { seekWitness } from './refusal.ts';
import { SetAside } from './set-aside.ts';
import type { Shared } from './shared.ts';
import { Split } from './split.ts';
import type { Track } from './track.ts';

/** Bodies that are made again at once; each holds some memory until it is sent. */
const MAX_RENDERS = 64;

/** What renders need of their partition. */
export interface RenderOwner {
  readonly tracks: Iterable<Track>;
  /** The body of a plan cannot be made again. */
  renderFailed(track: Track, error: unknown): void;
}

/** The plans that the catch-up lane of one partition is reading again, most of them for their bodies. */
export class Renders {
  list: PlanReader[] = [];
  /** How many may be under way: one after memory ran out, and more with each that was finished. */
  #limit = MAX_RENDERS;
  readonly #owner: RenderOwner;
  readonly #shared: Shared;

  constructor(owner: RenderOwner, shared: Shared) {
    this.#owner = owner;
    this.#shared = shared;
  }

  /** True while one body is all that is read, and may be finished beyond the memory budget. */
  get isOverdrawn(): boolean {
    const [one, ...others] = this.list;
    return one !== undefined && others.length === 0 && this.#shared.budget.isOverdrawnBy(one);
  }

  /** Begins those that deliveries wait for, and ends those that nobody wants any more. */
  async openWanted(signal: AbortSignal): Promise<void> {
    this.#keep((render) => render.isWanted);
    for (const track of [...this.#owner.tracks]) {
      for (const delivery of [...track.deliveries]) {
        const limit = this.#shared.budget.underPressure ? 1 : this.#limit;
        if (this.list.length >= limit || signal.aborted) return;
        const { plan } = delivery;
        if (!plan || !delivery.wantsBody) continue;
        if (this.list.some((render) => render.delivery === delivery)) continue;
        const { lostTo } = delivery;
        // What comes before it goes first: only at the head of the line can a plan be cut.
        if (delivery.isLostBehind(track)) {
          const [head] = track.deliveries;
          // It may be lost as well, and wait for nothing but this one to pass.
          if (head?.heldBytes === 0) head.wantsBody = true;
          continue;
        }
        if (lostTo !== undefined && lostTo > plan.last) {
          const make = () => undefined;
          await cutPlan({ track, delivery, plan, to: plan.last + 1, make }, this.#shared);
          continue;
        }
        try {
          const at = await planToRead(track, delivery, plan, this.#shared);
          this.list.push(readerOf(at, this.#shared));
        } catch (error) {
          // A store that is away says nothing about the plan: the lane comes by again.
          if (error instanceof StoreUnavailableError) return;
          if (!isFinal(error)) throw error;
          delivery.wantsBody = false;
          this.#owner.renderFailed(track, error);
        }
      }
    }
  }

  /** Hands over the bodies that are complete. */
  async finishDone(): Promise<void> {
    for (const render of this.list.filter(({ done }) => done)) {
      this.#limit = Math.min(MAX_RENDERS, this.#limit * 2);
      try {
        await render.finish();
      } catch (error) {
        render.abandon();
        if (!isFinal(error)) throw error;
        render.delivery.wantsBody = false;
        this.#owner.renderFailed(render.track, error);
      } finally {
        this.list = this.list.filter((other) => other !== render);
        this.#shared.budget.endOverdraft(render);
      }
    }
  }

  /** The log does not hold any more what these need: their plans are cut when it is their turn. */
  lost({ start }: OffsetOutOfRangeError): void {
    const isLost = ({ position }: PlanReader) => position < start;
    for (const render of this.list.filter(isLost)) {
      render.delivery.lose(start);
      seekWitness(render.track);
    }
    this.#keep((render) => !isLost(render));
  }

  /** Gives up all but the oldest; they are begun again when there is room. */
  keepOne(): void {
    this.#limit = 1;
    const [first] = this.list;
    this.#keep((render) => render === first);
  }

  abandon(): void {
    this.#keep(() => false);
  }

  #keep(isKept: (render: PlanReader) => boolean): void {
    const kept: PlanReader[] = [];
    for (const render of this.list) {
      if (isKept(render)) {
        kept.push(render);
        continue;
      }
      render.abandon();
      this.#shared.budget.endOverdraft(render);
    }
    this.list = kept;
  }
}

/** What has lost its beginning is cut first, and then tried again as it is. */
function readerOf(at: PlanToRead, shared: Shared): PlanReader {
  const remedy = at.delivery.lostTo === undefined ? at.delivery.remedy : undefined;
  if (remedy === 'split') return new Split(at, shared);
  return remedy === 'set_aside' ? new SetAside(at, shared) : new Render(at, shared);
}

/** True when trying again would give the same. */
function isFinal(error: unknown): boolean {
  return error instanceof PayloadMismatchError || error instanceof InvalidJobError;
}
