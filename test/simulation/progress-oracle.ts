import type { MemoryStores, StoredPartition } from '../kit/memory-stores.ts';
import type { MemoryTopic } from '../kit/memory-log.ts';
import type { Facts } from './facts.ts';
import { matches, type Content, type SimEvent } from './plain-dataset.ts';
import type { PutOracle } from './put-oracle.ts';
import type { ReplayOracle } from './replay-oracle.ts';

/**
 * Checks every write of progress against what was produced and delivered: invariants 1 and 4. It stands
 * outside: it reads what the store holds, not what the batchers believe.
 */
export class ProgressOracle {
  readonly #facts: Facts;
  readonly #puts: PutOracle;
  readonly #stores: MemoryStores;
  readonly #topic: MemoryTopic;
  readonly #replays: ReplayOracle;
  /** By partition and job: the cursor as it was stored last. */
  readonly #cursors = new Map<string, number>();
  /** Owners of partitions, by name: the process. */
  readonly #owners = new Map<string, number>();
  /** Of which the gaps were looked at. */
  #gaps = 0;
  /** The same of dead letters. */
  #letters = 0;

  constructor(options: {
    facts: Facts;
    puts: PutOracle;
    stores: MemoryStores;
    topic: MemoryTopic;
    replays: ReplayOracle;
  }) {
    this.#facts = options.facts;
    this.#puts = options.puts;
    this.#stores = options.stores;
    this.#topic = options.topic;
    this.#replays = options.replays;
  }

  /** A job was created, or enabled for the first time, or given another content. */
  jobChanged(jobId: number, start?: ReadonlyMap<number, number>): void {
    const { job } = this.#stores.jobs.get(jobId)!;
    const facts = this.#facts.jobs.get(jobId) ?? {
      accountId: job.accountId,
      contents: new Map<number, Content>(),
      start: undefined,
    };
    facts.contents.set(job.contentRevision, job.spec);
    facts.start ??= start;
    this.#facts.jobs.set(jobId, facts);
  }

  jobDeleted(jobId: number): void {
    this.#facts.jobs.get(jobId)!.start = undefined;
    for (const { partition } of this.#topic.bounds()) this.#cursors.delete(`${partition}/${jobId}`);
  }

  /** Neither delivered, nor excluded by a content of the job, nor told as a gap. */
  isOwed(jobId: number, event: SimEvent): boolean {
    return this.#puts.deliveredAtMs(jobId, event) === undefined && !this.#isExcused(jobId, event);
  }

  /** What is still to be delivered; undefined when nothing is. */
  lag(): string | undefined {
    for (const { partition } of this.#topic.bounds()) {
      const stored = this.#stores.partition(this.#topic.topic, partition);
      for (const [jobId, { accountId }] of this.#facts.jobs) {
        const range = this.#facts.rangeOf(jobId, partition);
        if (!range) continue;
        const place = `in partition ${partition}`;
        if (stored?.plans.has(jobId)) return `job ${jobId} has open plans ${place}`;
        const cursor = stored?.cursors.get(jobId)?.cursor ?? stored?.liveFrom ?? 0;
        const open = this.#facts
          .between(partition, cursor, range.to)
          .find((event) => event.accountId === accountId && this.isOwed(jobId, event));
        if (open) return `job ${jobId} owes offset ${open.offset} ${place}`;
      }
    }
    return this.#replays.running();
  }

  /** After each call of a store by a process: whatever it changed must be right. */
  took(processNumber: number, call: string): void {
    const { topic } = this.#topic;
    for (const { partition } of this.#topic.bounds()) {
      const stored = this.#stores.partition(topic, partition);
      if (!stored) continue;
      if (call === 'claim' && !this.#owners.has(stored.owner)) {
        this.#owners.set(stored.owner, processNumber);
        this.#facts.trace?.(`  process ${processNumber} owns partition ${partition}`);
      }
      if (this.#checkCursors(partition, stored, call) && call !== 'claim') {
        const owner = this.#owners.get(stored.owner);
        if (owner !== processNumber) {
          this.#facts.violate(
            4,
            `process ${processNumber} wrote to ${partition}, which is of ${owner}`,
          );
        }
      }
    }
    this.#checkGaps();
    this.#checkLetters();
    this.#replays.checkEnded((jobId, event) => this.isOwed(jobId, event));
    const broken = this.#stores.violations.shift();
    if (broken !== undefined) this.#facts.violate(1, broken);
  }

  /** True when a cursor has moved. */
  #checkCursors(partition: number, stored: StoredPartition, call: string): boolean {
    let hasMoved = false;
    for (const [jobId, { ends }] of this.#facts.jobs) {
      if (!this.#facts.rangeOf(jobId, partition)) continue;
      const name = `${partition}/${jobId}`;
      const row = stored.cursors.get(jobId);
      // A replay that has ended has none.
      if (ends && !row) continue;
      const cursor = row?.cursor ?? stored.liveFrom;
      const before = this.#cursors.get(name);
      if (before === cursor) continue;
      this.#cursors.set(name, cursor);
      if (before === undefined) continue;
      hasMoved = true;
      this.#facts.trace?.(
        `  ${call}: cursor of job ${jobId} in ${partition} from ${before} to ${cursor}`,
      );
      if (cursor < before) this.#facts.violate(1, `${call} moved job ${jobId} back to ${cursor}`);
      for (const event of this.#facts.between(partition, before, cursor)) {
        if (event.accountId !== this.#facts.jobs.get(jobId)?.accountId) continue;
        if (!this.isOwed(jobId, event)) continue;
        this.#facts.violate(
          1,
          `${call} moved job ${jobId} in ${partition} past offset ${event.offset}`,
        );
        return true;
      }
    }
    return hasMoved;
  }

  #checkGaps(): void {
    const { gaps } = this.#stores;
    for (; this.#gaps < gaps.length; this.#gaps++) {
      const { jobId, partition, from, to } = gaps[this.#gaps]!;
      const { start } = this.#topic.partition(partition);
      this.#facts.trace?.(`  gap of job ${jobId} in ${partition}: ${from} to ${to}`);
      if (to <= start) continue;
      this.#facts.violate(1, `a gap up to ${to} was told, and the log holds from ${start} on`);
    }
  }

  /** Each is the whole record, as far as the log still holds that. */
  #checkLetters(): void {
    const { deadLetters } = this.#stores;
    for (; this.#letters < deadLetters.length; this.#letters++) {
      const { partition, offset, value } = deadLetters[this.#letters]!;
      const { records } = this.#topic.partition(partition);
      const record = records.find((of) => of.offset === offset);
      if (!record?.value || (value && Buffer.compare(record.value, value) === 0)) continue;
      this.#facts.violate(1, `the dead letter of offset ${offset} in ${partition} is not whole`);
    }
  }

  #isExcused(jobId: number, event: SimEvent): boolean {
    const { partition, offset, isBad } = event;
    const { contents } = this.#facts.jobs.get(jobId)!;
    for (const { filter } of contents.values()) {
      if (!isBad && !matches(event, filter)) return true;
    }
    const { deadLetters, gaps } = this.#stores;
    const isSetAside = deadLetters.some(
      (of) =>
        of.partition === partition &&
        of.offset === offset &&
        (of.jobId === jobId || (of.jobId === null && isBad)),
    );
    // A record that can be read is set aside for one job alone, and only if its place does not take it.
    if (isSetAside && (isBad || this.#puts.wasRefusedAlone(jobId, event))) return true;
    return gaps.some(
      (gap) =>
        gap.jobId === jobId && gap.partition === partition && gap.from <= offset && gap.to > offset,
    );
  }
}
