import type { Plan } from '@trailpush/core';
import type { MemoryStores } from '../kit/memory-stores.ts';
import type { Facts } from './facts.ts';
import { lineOf, matches, type SimEvent } from './plain-dataset.ts';
import type { ReplayOracle } from './replay-oracle.ts';

/** Here an object that is sent again does not replace itself, and bodies may be refused as such. */
export const POST_LOCATION = 'place-3';

interface KnownPlan {
  readonly plan: Plan;
  /** What the log and the content of the plan's revision make of its range. */
  readonly events: readonly SimEvent[];
  readonly payload: string;
}

/** Checks plans and what is put under them: invariants 2, 3, 5 and 10. */
export class PutOracle {
  readonly #facts: Facts;
  readonly #stores: MemoryStores;
  readonly #replays: ReplayOracle;
  readonly #plans = new Map<string, KnownPlan>();
  /** Answers "delivered" that were given, by place and key. */
  readonly #answered = new Set<string>();
  /** By job: partition and offset of events that were refused although nothing else was with them. */
  readonly #refusedAlone = new Map<number, Set<string>>();
  /** By job: partition and offset of events that lie at some place, and when they came there. */
  readonly #delivered = new Map<number, Map<string, number>>();
  /** Job, folder and event: the object that holds it. */
  readonly #folders = new Map<string, string>();
  #largestBytes = 0;

  constructor(facts: Facts, stores: MemoryStores, replays: ReplayOracle) {
    this.#facts = facts;
    this.#stores = stores;
    this.#replays = replays;
  }

  /** Of the payload that was planned so far. */
  get largestBytes(): number {
    return this.#largestBytes;
  }

  /** When the event came to a place for the job; undefined when it did not. */
  deliveredAtMs(jobId: number, { partition, offset }: SimEvent): number | undefined {
    return this.#delivered.get(jobId)?.get(`${partition}/${offset}`);
  }

  planStored(plan: Plan): void {
    const facts = this.#facts.jobs.get(plan.jobId);
    const content = facts?.contents.get(plan.contentRevision);
    if (!facts || !content) return;
    const { accountId } = facts;
    const events = this.#facts
      .between(plan.partition, plan.first, plan.last + 1)
      .filter((event) => event.accountId === accountId && matches(event, content.filter));
    const payload = events.map((event) => lineOf(event, content)).join('');
    const name = `${plan.location} ${plan.key}`;
    const before = this.#plans.get(name);
    this.#facts.trace?.(`  plan of ${describe(plan)} named ${name}`);
    if (before && before.payload !== payload) {
      this.#facts.violate(2, `${name} was planned with two contents`);
    }
    if (plan.records < events.length) {
      const counts = `${plan.records} of ${events.length} records`;
      this.#facts.violate(1, `the plan of ${describe(plan)} holds ${counts}`);
    }
    this.#plans.set(name, { plan, events, payload });
    this.#largestBytes = Math.max(this.#largestBytes, payload.length);
    this.#replays.planStored(plan);
  }

  /** Before a plan is confirmed in the store. */
  confirming(plan: Plan): void {
    if (plan.confirmed || this.#answered.has(`${plan.location} ${plan.key}`)) return;
    this.#facts.violate(3, `${describe(plan)} was confirmed, and its destination never said so`);
  }

  /** An object that a process sends. Returns its plan. */
  arrived(location: string, key: string, payload: string): Plan | undefined {
    const known = this.#plans.get(`${location} ${key}`);
    if (!known) {
      this.#facts.violate(2, `${key} came to ${location} without a plan`);
      return undefined;
    }
    if (payload !== known.payload) this.#wrongPayload(known, payload);
    return known.plan;
  }

  /** The object lies at its place from now on. */
  landed(location: string, key: string, atMs: number): void {
    const known = this.#plans.get(`${location} ${key}`);
    if (!known) return;
    const { plan, events } = known;
    const { jobId } = plan;
    let delivered = this.#delivered.get(jobId);
    if (!delivered) this.#delivered.set(jobId, (delivered = new Map<string, number>()));
    const folder = `${jobId} ${location}/${key.slice(0, key.lastIndexOf('/'))}`;
    for (const { partition, offset } of events) {
      const at = `${partition}/${offset}`;
      if (!delivered.has(at)) delivered.set(at, atMs);
      const holder = this.#folders.get(`${folder} ${at}`);
      const isTwice = holder !== undefined && holder !== key && location !== POST_LOCATION;
      if (isTwice && !this.#wasCut(plan, offset)) {
        this.#facts.violate(10, `offset ${at} lies twice in ${folder}: in ${holder} and in ${key}`);
      }
      this.#folders.set(`${folder} ${at}`, key);
    }
  }

  /** The place has said that it never takes this body. */
  answeredRefused(location: string, key: string): void {
    const known = this.#plans.get(`${location} ${key}`);
    const [event] = known?.events ?? [];
    if (!known || !event || known.events.length > 1) return;
    const { jobId } = known.plan;
    const refused = this.#refusedAlone.get(jobId) ?? new Set<string>();
    this.#refusedAlone.set(jobId, refused.add(`${event.partition}/${event.offset}`));
  }

  wasRefusedAlone(jobId: number, { partition, offset }: SimEvent): boolean {
    return this.#refusedAlone.get(jobId)?.has(`${partition}/${offset}`) === true;
  }

  answeredDelivered(location: string, key: string): void {
    this.#answered.add(`${location} ${key}`);
  }

  #wrongPayload({ plan, events }: KnownPlan, payload: string): void {
    const expected = new Set(events.map(({ text }) => text));
    const texts = payload.split('\n').map((line) => line.replace(/^\* /, ''));
    const foreign = texts.find((text) => text !== '' && !expected.has(text));
    if (foreign === undefined) this.#facts.violate(2, `${plan.key} came with another content`);
    else this.#facts.violate(5, `${plan.key} of ${describe(plan)} holds ${foreign.slice(0, 40)}`);
  }

  #wasCut({ jobId, partition }: Plan, offset: number): boolean {
    return this.#stores.cuts.some(
      (cut) =>
        cut.jobId === jobId &&
        cut.partition === partition &&
        cut.first <= offset &&
        offset <= cut.last,
    );
  }
}

function describe({ jobId, partition, first, last }: Plan): string {
  return `job ${jobId}, partition ${partition}, ${first} to ${last}`;
}
