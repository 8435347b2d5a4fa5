import type { Plan } from '@trailpush/core';
import type { MemoryStores, StoredPartition } from '../kit/memory-stores.ts';
import type { MemoryTopic } from '../kit/memory-log.ts';
import { lineOf, matches, type Content, type SimEvent } from './plain-dataset.ts';

/** The invariants of the delivery protocol, by number; `ARCHITECTURE.md` says what is guaranteed. */
export const INVARIANTS = {
  1: 'nothing below a cursor is undelivered, unless excluded, set aside or told as a gap',
  2: 'an object is put under a stored plan only, and one name has one content',
  3: 'no advance without a confirmed put of exactly that plan',
  4: 'at most one owner plans or advances a partition',
  5: 'no object holds an event of another account, or one that the filter excludes',
  6: 'what is held in memory stays within the budget',
  7: 'an open batch grows no older than its limit',
  8: 'the fault of one destination delays no other',
  9: 'after healing, lag returns to zero without a restart',
  10: 'an object store holds each event once',
} as const;
export type Invariant = keyof typeof INVARIANTS;

export interface Violation {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly what: string;
}

interface KnownPlan {
  readonly plan: Plan;
  /** What the log and the content of the plan's revision make of its range. */
  readonly events: readonly SimEvent[];
  readonly payload: string;
}

interface JobFacts {
  readonly accountId: string;
  /** By content revision. */
  readonly contents: Map<number, Content>;
  /** By partition: where it was enabled first. Later partitions begin at 0. */
  start: ReadonlyMap<number, number> | undefined;
}

/**
 * Knows what was produced and what is stored, and checks every write of progress and every put against
 * it. It stands outside: it reads what the store holds, not what the batchers believe.
 */
export class Oracle {
  readonly violations: Violation[] = [];
  /** By partition, in order of offset. */
  readonly events = new Map<number, SimEvent[]>();
  readonly jobs = new Map<number, JobFacts>();
  readonly #stores: MemoryStores;
  readonly #topic: MemoryTopic;
  readonly #trace: ((what: string) => void) | undefined;
  readonly #plans = new Map<string, KnownPlan>();
  /** Answers "delivered" that were given, by place and key. */
  readonly #answered = new Set<string>();
  /** By job: partition and offset of events that lie at some place, and when they came there. */
  readonly #delivered = new Map<number, Map<string, number>>();
  /** Job, folder and event: the object that holds it. */
  readonly #folders = new Map<string, string>();
  /** By partition and job: the cursor as it was stored last. */
  readonly #cursors = new Map<string, number>();
  /** Owners of partitions, by name: the process. */
  readonly #owners = new Map<string, number>();
  #gaps = 0;

  constructor(options: {
    stores: MemoryStores;
    topic: MemoryTopic;
    trace: ((what: string) => void) | undefined;
  }) {
    this.#stores = options.stores;
    this.#topic = options.topic;
    this.#trace = options.trace;
  }

  produced(event: SimEvent): void {
    const events = this.events.get(event.partition);
    if (events) events.push(event);
    else this.events.set(event.partition, [event]);
  }

  /** A job was created, or enabled for the first time, or given another content. */
  jobChanged(jobId: number, start?: ReadonlyMap<number, number>): void {
    const { job } = this.#stores.jobs.get(jobId)!;
    const facts = this.jobs.get(jobId) ?? {
      accountId: job.accountId,
      contents: new Map<number, Content>(),
      start: undefined,
    };
    facts.contents.set(job.contentRevision, job.spec);
    facts.start ??= start;
    this.jobs.set(jobId, facts);
  }

  jobDeleted(jobId: number): void {
    this.jobs.get(jobId)!.start = undefined;
    for (const partition of this.#topic.bounds().keys()) {
      this.#cursors.delete(`${partition}/${jobId}`);
    }
  }

  /** Events of a job's account since its start. */
  *owedEvents(jobId: number): Iterable<SimEvent> {
    const { accountId, start } = this.jobs.get(jobId)!;
    if (!start) return;
    for (const [partition, events] of this.events) {
      const from = start.get(partition) ?? 0;
      for (const event of events) {
        if (event.offset >= from && event.accountId === accountId) yield event;
      }
    }
  }

  /** When the event came to a place for the job; undefined when it did not. */
  deliveredAtMs(jobId: number, { partition, offset }: SimEvent): number | undefined {
    return this.#delivered.get(jobId)?.get(`${partition}/${offset}`);
  }

  isOwed(jobId: number, event: SimEvent): boolean {
    return !this.#isExcused(jobId, event) && this.deliveredAtMs(jobId, event) === undefined;
  }

  /** What is still to be delivered; undefined when nothing is. */
  lag(): string | undefined {
    for (const { partition } of this.#topic.bounds()) {
      const stored = this.#stores.partition(this.#topic.topic, partition);
      for (const [jobId, { start, accountId }] of this.jobs) {
        if (!start) continue;
        if (stored?.plans.has(jobId))
          return `job ${jobId} has open plans in partition ${partition}`;
        const cursor = stored?.cursors.get(jobId)?.cursor ?? stored?.liveFrom ?? 0;
        const open = this.#between(partition, cursor, Number.POSITIVE_INFINITY).find(
          (event) => event.accountId === accountId && this.isOwed(jobId, event),
        );
        if (open) return `job ${jobId} owes offset ${open.offset} of partition ${partition}`;
      }
    }
    return undefined;
  }

  // --- what is put -------------------------------------------------------------------------------

  planStored(plan: Plan): void {
    const facts = this.jobs.get(plan.jobId);
    const content = facts?.contents.get(plan.contentRevision);
    if (!facts || !content) return;
    const { accountId } = facts;
    const events = this.#between(plan.partition, plan.first, plan.last + 1).filter(
      (event) => event.accountId === accountId && matches(event, content.filter),
    );
    const payload = events.map((event) => lineOf(event, content)).join('');
    const name = `${plan.location} ${plan.key}`;
    const before = this.#plans.get(name);
    this.#trace?.(`  plan of ${describe(plan)} named ${name}`);
    if (before && before.payload !== payload) {
      this.violate(2, `${name} was planned with two contents`);
    }
    if (plan.records < events.length) {
      const counts = `${plan.records} of ${events.length} records`;
      this.violate(1, `the plan of ${describe(plan)} holds ${counts}`);
    }
    this.#plans.set(name, { plan, events, payload });
  }

  /** Before a plan is confirmed in the store. */
  confirming(plan: Plan): void {
    if (plan.confirmed || this.#answered.has(`${plan.location} ${plan.key}`)) return;
    this.violate(3, `${describe(plan)} was confirmed, and its destination never said so`);
  }

  /** An object that a process sends. Returns its plan. */
  arrived(location: string, key: string, payload: string): Plan | undefined {
    const known = this.#plans.get(`${location} ${key}`);
    if (!known) {
      this.violate(2, `${key} came to ${location} without a plan`);
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
      if (holder !== undefined && holder !== key && !this.#wasCut(plan, offset)) {
        this.violate(10, `offset ${at} lies twice in ${folder}: in ${holder} and in ${key}`);
      }
      this.#folders.set(`${folder} ${at}`, key);
    }
  }

  answeredDelivered(location: string, key: string): void {
    this.#answered.add(`${location} ${key}`);
  }

  #wrongPayload({ plan, events }: KnownPlan, payload: string): void {
    const expected = new Set(events.map(({ text }) => text));
    const texts = payload.split('\n').map((line) => line.replace(/^\* /, ''));
    const foreign = texts.find((text) => text !== '' && !expected.has(text));
    if (foreign === undefined) this.violate(2, `${plan.key} came with another content`);
    else this.violate(5, `${plan.key} of ${describe(plan)} holds ${foreign.slice(0, 40)}`);
  }

  // --- what is stored ----------------------------------------------------------------------------

  /** After each call of a store by a process: whatever it changed must be right. */
  took(processNumber: number, call: string): void {
    const { topic } = this.#topic;
    for (const { partition, start } of this.#topic.bounds()) {
      const stored = this.#stores.partition(topic, partition);
      if (!stored) continue;
      if (call === 'claim' && !this.#owners.has(stored.owner)) {
        this.#owners.set(stored.owner, processNumber);
        this.#trace?.(`  process ${processNumber} owns partition ${partition}`);
      }
      if (this.#checkCursors(partition, stored, call) && call !== 'claim') {
        const owner = this.#owners.get(stored.owner);
        if (owner !== processNumber) {
          this.violate(4, `process ${processNumber} wrote to ${partition}, which is of ${owner}`);
        }
      }
      this.#checkGaps(partition, start);
    }
    const broken = this.#stores.violations.shift();
    if (broken !== undefined) this.violate(1, broken);
  }

  /** True when a cursor has moved. */
  #checkCursors(partition: number, stored: StoredPartition, call: string): boolean {
    let hasMoved = false;
    for (const [jobId, { start }] of this.jobs) {
      if (!start) continue;
      const name = `${partition}/${jobId}`;
      const cursor = stored.cursors.get(jobId)?.cursor ?? stored.liveFrom;
      const before = this.#cursors.get(name);
      if (before === cursor) continue;
      this.#cursors.set(name, cursor);
      if (before === undefined) continue;
      hasMoved = true;
      this.#trace?.(
        `  ${call}: cursor of job ${jobId} in ${partition} from ${before} to ${cursor}`,
      );
      if (cursor < before)
        this.violate(1, `${call} moved job ${jobId} back from ${before} to ${cursor}`);
      for (const event of this.#between(partition, before, cursor)) {
        if (event.accountId !== this.jobs.get(jobId)?.accountId) continue;
        if (!this.isOwed(jobId, event)) continue;
        this.violate(1, `${call} moved job ${jobId} in ${partition} past offset ${event.offset}`);
        return true;
      }
    }
    return hasMoved;
  }

  #checkGaps(partition: number, start: number): void {
    const { gaps } = this.#stores;
    for (; this.#gaps < gaps.length; this.#gaps++) {
      const gap = gaps[this.#gaps]!;
      this.#trace?.(`  gap of job ${gap.jobId} in ${gap.partition}: ${gap.from} to ${gap.to}`);
      if (gap.partition === partition && gap.to > start) {
        this.violate(1, `a gap up to ${gap.to} was told, and the log holds from ${start} on`);
      }
    }
  }

  #isExcused(jobId: number, event: SimEvent): boolean {
    const { contents } = this.jobs.get(jobId)!;
    for (const { filter } of contents.values()) if (!matches(event, filter)) return true;
    const { partition, offset } = event;
    return this.#stores.gaps.some(
      (gap) =>
        gap.jobId === jobId && gap.partition === partition && gap.from <= offset && gap.to > offset,
    );
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

  /** Events with `from` <= offset < `to`. */
  #between(partition: number, from: number, to: number): SimEvent[] {
    const events = this.events.get(partition) ?? [];
    let low = 0;
    for (let high = events.length; low < high;) {
      const middle = (low + high) >> 1;
      if (events[middle]!.offset < from) low = middle + 1;
      else high = middle;
    }
    const found: SimEvent[] = [];
    for (; low < events.length && events[low]!.offset < to; low++) found.push(events[low]!);
    return found;
  }

  violate(invariant: Invariant, what: string): void {
    this.#trace?.(`VIOLATED ${invariant}: ${what}`);
    this.violations.push({ invariant, atMs: this.#topic.clock.monotonic(), what });
  }
}

function describe({ jobId, partition, first, last }: Plan): string {
  return `job ${jobId}, partition ${partition}, ${first} to ${last}`;
}
