import type { MemoryTopic } from '../kit/memory-log.ts';
import type { Content, SimEvent } from './plain-dataset.ts';

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
  11: 'a replay delivers its range, all of it and nothing else, in its own folder and at its pace',
} as const;
export type Invariant = keyof typeof INVARIANTS;

export interface Violation {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly what: string;
}

export interface JobFacts {
  readonly accountId: string;
  /** By content revision. */
  readonly contents: Map<number, Content>;
  /** By partition: where it was enabled first. Later partitions begin at 0. */
  start: ReadonlyMap<number, number> | undefined;
  /** Set for a replay, by partition: behind the last offset. It has no other partitions. */
  readonly ends?: ReadonlyMap<number, number>;
}

/** What was produced and ordered, known from outside, and what was found to be wrong. */
export class Facts {
  readonly violations: Violation[] = [];
  readonly jobs = new Map<number, JobFacts>();
  readonly trace: ((what: string) => void) | undefined;
  readonly #topic: MemoryTopic;
  /** By partition, in order of offset. */
  readonly #events = new Map<number, SimEvent[]>();

  constructor(topic: MemoryTopic, trace: ((what: string) => void) | undefined) {
    this.#topic = topic;
    this.trace = trace;
  }

  produced(event: SimEvent): void {
    const events = this.#events.get(event.partition);
    if (events) events.push(event);
    else this.#events.set(event.partition, [event]);
  }

  /** Events of a job's account since its start. */
  *owedEvents(jobId: number): Iterable<SimEvent> {
    const { accountId } = this.jobs.get(jobId)!;
    for (const partition of this.#events.keys()) {
      const range = this.rangeOf(jobId, partition);
      if (!range) continue;
      for (const event of this.between(partition, range.from, range.to)) {
        if (event.accountId === accountId) yield event;
      }
    }
  }

  /** What the job is owed of a partition, `to` exclusive; undefined: nothing. */
  rangeOf(jobId: number, partition: number): { from: number; to: number } | undefined {
    const { start, ends } = this.jobs.get(jobId)!;
    if (!start) return undefined;
    if (!ends) return { from: start.get(partition) ?? 0, to: Number.POSITIVE_INFINITY };
    const [from, to] = [start.get(partition), ends.get(partition)];
    return from === undefined || to === undefined ? undefined : { from, to };
  }

  /** Events with `from` <= offset < `to`. */
  between(partition: number, from: number, to: number): SimEvent[] {
    const events = this.#events.get(partition) ?? [];
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
    this.trace?.(`VIOLATED ${invariant}: ${what}`);
    this.violations.push({ invariant, atMs: this.#topic.clock.monotonic(), what });
  }
}
