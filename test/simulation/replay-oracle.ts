import type { Clock, Plan, Replay } from '@trailpush/core';
import type { MemoryStores } from '../kit/memory-stores.ts';
import type { Counts } from './counts.ts';
import type { Facts } from './facts.ts';
import type { Content, SimEvent } from './plain-dataset.ts';

/** A replay as it was ordered, and how much of it was planned. */
interface KnownReplay {
  readonly replay: Replay;
  readonly startedAtMs: number;
  /** By partition. */
  readonly epochs: ReadonlyMap<number, number>;
  /** By partition: up to the last offset of any plan. */
  readonly planned: Map<number, { last: number; records: number }>;
}

/** Checks what replays plan, and that one that has ended has delivered all that it was to: invariant 11. */
export class ReplayOracle {
  readonly #facts: Facts;
  readonly #stores: MemoryStores;
  readonly #clock: Clock;
  readonly #counts: Counts;
  /** Those that run, as far as is known. */
  readonly #running = new Map<number, KnownReplay>();

  constructor(options: { facts: Facts; stores: MemoryStores; clock: Clock; counts: Counts }) {
    this.#facts = options.facts;
    this.#stores = options.stores;
    this.#clock = options.clock;
    this.#counts = options.counts;
  }

  started(replay: Replay): void {
    const { id, accountId, ranges, topic, jobId } = replay;
    const { job } = this.#stores.jobs.get(id)!;
    this.#facts.trace?.(`replay ${id} of job ${jobId}: ${JSON.stringify(ranges)}`);
    this.#facts.jobs.set(id, {
      accountId,
      contents: new Map<number, Content>([[job.contentRevision, job.spec]]),
      start: new Map(ranges.map(({ partition, from }) => [partition, from])),
      ends: new Map(ranges.map(({ partition, to }) => [partition, to])),
    });
    const epochs = ranges.map(({ partition }): [number, number] => {
      return [partition, this.#stores.partition(topic, partition)?.epoch ?? 0];
    });
    const startedAtMs = this.#clock.monotonic();
    this.#running.set(id, { replay, startedAtMs, epochs: new Map(epochs), planned: new Map() });
  }

  /** Which one has not ended; undefined when all have. */
  running(): string | undefined {
    const [id] = this.#running.keys();
    return id === undefined ? undefined : `replay ${id} has not ended`;
  }

  planStored(plan: Plan): void {
    const { jobId, partition, first, last, key, idempotencyKey } = plan;
    const known = this.#running.get(jobId);
    const folder = known ? `replay-${jobId}` : undefined;
    const isInFolder = /(?:^|\/)(replay-\d+)\//.exec(key)?.[1] === folder;
    const isNamed = /^(replay-\d+)-/.exec(idempotencyKey)?.[1] === folder;
    if (!isInFolder || !isNamed) this.#facts.violate(11, `job ${jobId} planned ${key}`);
    if (!known) return;
    const range = this.#facts.rangeOf(jobId, partition);
    if (!range || first < range.from || last >= range.to) {
      this.#facts.violate(11, `replay ${jobId} planned ${first} to ${last} of ${partition}`);
    }
    this.#checkPace(known, plan);
  }

  /** Each owner lets so many records pass in a second, and knows nothing of what those before it did. */
  #checkPace({ replay, startedAtMs, epochs, planned }: KnownReplay, plan: Plan): void {
    const { maxRecordsPerSecond, topic, id } = replay;
    const { partition, first, last } = plan;
    const before = planned.get(partition) ?? { last: -1, records: 0 };
    // A part of a plan, or one that has another place now.
    if (maxRecordsPerSecond === null || first <= before.last) return;
    const records = before.records + plan.records;
    planned.set(partition, { last, records });
    const seconds = Math.floor((this.#clock.monotonic() - startedAtMs) / 1000) + 1;
    const epoch = this.#stores.partition(topic, partition)?.epoch ?? 0;
    const owners = epoch - (epochs.get(partition) ?? 0) + 1;
    if (records <= (seconds + owners) * maxRecordsPerSecond) return;
    this.#facts.violate(11, `replay ${id} planned ${records} records in ${seconds} s`);
  }

  /** Of those that have ended since: what was completed owes nothing. */
  checkEnded(isOwed: (jobId: number, event: SimEvent) => boolean): void {
    for (const id of this.#running.keys()) {
      const state = this.#stores.replays.get(id)?.state;
      if (state === 'running') continue;
      this.#running.delete(id);
      this.#facts.trace?.(`replay ${id} is ${state}`);
      this.#counts.add(`replay ${state}`);
      if (state === 'completed') {
        for (const event of this.#facts.owedEvents(id)) {
          if (!isOwed(id, event)) continue;
          const { offset, partition } = event;
          this.#facts.violate(11, `replay ${id} ended without ${offset} of ${partition}`);
          break;
        }
      }
      this.#facts.jobs.get(id)!.start = undefined;
    }
  }
}
