import { Secret, type Job, type JobSpec, type Plan, type ReplayRange } from '@trailpush/core';
import { jobSpec } from '../kit/batcher-world.ts';
import { MemoryTopic } from '../kit/memory-log.ts';
import { startReplay } from '../kit/memory-replays.ts';
import { MemoryStores } from '../kit/memory-stores.ts';
import type { SeededRandom } from '../kit/random.ts';
import { Counts } from './counts.ts';
import { Facts } from './facts.ts';
import { ProgressOracle } from './progress-oracle.ts';
import { PutOracle } from './put-oracle.ts';
import { Places } from './places.ts';
import { eventText, Registry, type SimEvent } from './plain-dataset.ts';
import { ReplayOracle } from './replay-oracle.ts';
import { stream, type Fault, type Scenario } from './scenario.ts';
import { SimProcess, type CreateBatcher } from './sim-process.ts';
import { storeInsteadOfDeflate } from './stored-deflate.ts';
import { VirtualClock } from './virtual-clock.ts';

const MAX_SESSION_MS = 12_000;
const MAX_RESTART_MS = 8_000;
/** What the first lines of a batch or body take. */
const FIRST_BUFFER_BYTES = 16 * 1024;

const SPLITTING: ReadonlySet<Fault> = new Set([
  'place refusing some records',
  'place refusing large bodies',
]);

/** Stores that tell the oracle of every plan. */
class WatchedStores extends MemoryStores {
  onPlan: (plan: Plan) => void = () => undefined;

  override notePlan(plan: Plan): void {
    super.notePlan(plan);
    this.onPlan(plan);
  }
}

/** All that lies around the batchers of one run, and outlives them. */
export class World {
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  /** Latencies and everything else that is no decision of the scenario. */
  readonly random: SeededRandom;
  readonly topic: MemoryTopic;
  readonly stores: WatchedStores;
  readonly places: Places;
  readonly facts: Facts;
  readonly puts: PutOracle;
  readonly progress: ProgressOracle;
  readonly replays: ReplayOracle;
  readonly registry = new Registry();
  readonly counts = new Counts();
  readonly processes: SimProcess[] = [];
  readonly createBatcher: CreateBatcher;
  readonly trace: ((what: string) => void) | undefined;
  /** Until slices are compressed, at most. */
  maxCompressionMs = 0;
  #events = 0;
  #folders = 0;
  /** What ends the faults that are under way. */
  readonly #undoes = new Set<() => void>();

  constructor(scenario: Scenario, createBatcher: CreateBatcher, trace?: (what: string) => void) {
    const { seed, partitions, maxReadRecords, hasOffsetGaps } = scenario;
    this.scenario = scenario;
    this.createBatcher = createBatcher;
    this.random = stream(seed, 'latencies');
    const { random } = this;
    const clock = new VirtualClock(stream(seed, 'ties'));
    this.clock = clock;
    this.trace = trace && ((what) => trace(`${clock.monotonic()} ${what}`));
    const gaps = stream(seed, 'offset gaps');
    const offsetGap = () => (hasOffsetGaps && gaps.chance(0.2) ? gaps.between(1, 3) : 0);
    this.topic = new MemoryTopic({ clock, partitions, maxReadRecords, offsetGap });
    this.stores = new WatchedStores(clock, { confirmed: (plan) => this.puts.confirming(plan) });
    const { topic, stores, counts } = this;
    this.facts = new Facts(topic, this.trace);
    const { facts } = this;
    const replays = new ReplayOracle({ facts, stores, clock, counts });
    this.replays = replays;
    const puts = new PutOracle(facts, stores, replays);
    this.puts = puts;
    this.progress = new ProgressOracle({ facts, puts, stores, topic, replays });
    stores.onPlan = (plan) => puts.planStored(plan);
    this.places = new Places({ clock, random, oracle: puts, counts, trace: this.trace });
    storeInsteadOfDeflate((done) => {
      const ms = random.between(0, this.maxCompressionMs);
      clock.after(ms, done);
    });
  }

  /** Without replays. */
  get jobs(): Job[] {
    return [...this.stores.jobs.values()].map(({ job }) => job).filter(({ replay }) => !replay);
  }

  get events(): number {
    return this.#events;
  }

  /** Those that were started and did not end. */
  get alive(): SimProcess[] {
    return this.processes.filter(({ boundary }) => boundary.isAlive);
  }

  spawn(): SimProcess {
    const process = new SimProcess(this, this.processes.length);
    this.processes.push(process);
    this.trace?.(`process ${process.number} starts`);
    process.batcher.start().catch((error: unknown) => {
      this.facts.violate(9, `process ${process.number} could not start: ${String(error)}`);
    });
    return process;
  }

  /** Its session expires after a while, and whoever looks after it starts another one. */
  died(process: SimProcess): void {
    this.trace?.(`process ${process.number} died at crossing ${process.boundary.crossings}`);
    this.counts.add('process died');
    this.clock.after(this.random.between(0, MAX_SESSION_MS), () => {
      this.topic.expel(process.log.handle);
    });
    this.replaceLater();
  }

  replaceLater(): void {
    this.clock.after(this.random.between(0, MAX_RESTART_MS), () => this.spawn());
  }

  /** Calls `undo` in `ms`, or when all is healed before. */
  forAWhile(ms: number, undo: () => void): void {
    const once = (): void => {
      if (this.#undoes.delete(once)) undo();
    };
    this.#undoes.add(once);
    this.clock.after(ms, once);
  }

  /** Ends everything that is wrong. Nobody is started again who still serves. */
  heal(): void {
    this.trace?.('healing');
    for (const undo of [...this.#undoes]) undo();
    for (const { boundary } of this.processes) boundary.dieAt = Number.POSITIVE_INFINITY;
    for (const { id, wasEnabled, spec } of this.jobs) {
      if (wasEnabled && !spec.enabled) this.updateJob(id, { enabled: true });
    }
    if (!this.processes.some(({ isServing }) => isServing)) this.spawn();
  }

  close(): void {
    for (const { boundary } of this.processes) boundary.end();
  }

  holds({ number }: SimProcess, heldBytes: number): void {
    const { budgetBytes } = this.scenario;
    if (heldBytes <= budgetBytes) return;
    const excessBytes = heldBytes - budgetBytes;
    if (excessBytes <= this.#oneRecordBytes() + this.#oneBodyBytes()) return;
    this.facts.violate(6, `process ${number} holds ${heldBytes} of ${budgetBytes} bytes`);
  }

  /** What one record may take beyond the budget: a buffer of each job of its account. */
  #oneRecordBytes(): number {
    const jobs = [...this.stores.jobs.values()].map(({ job }) => job);
    const byAccount = Map.groupBy(jobs, ({ accountId }) => accountId);
    const most = Math.max(0, ...[...byAccount.values()].map(({ length }) => length));
    return most * FIRST_BUFFER_BYTES;
  }

  /** What one body may take that is read again. One that is split is held as a whole and in halves. */
  #oneBodyBytes(): number {
    const { largestBytes } = this.puts;
    const isSplit = this.scenario.faults.some((fault) => SPLITTING.has(fault));
    const halvesBytes = isSplit ? 2 * bufferBytes(largestBytes / 2) : 0;
    return bufferBytes(largestBytes) + halvesBytes;
  }

  produce(event: {
    accountId: string;
    action: string;
    hasNewSchema: boolean;
    paddingChars: number;
  }): SimEvent {
    const { accountId, action } = event;
    const text = eventText({ ...event, number: this.#events++ });
    const [at] = this.topic.append([{ key: accountId, value: Buffer.from(text, 'latin1') }]);
    const produced = { accountId, action, text, atMs: this.clock.monotonic(), ...at! };
    this.facts.produced(produced);
    return produced;
  }

  /** Appends a record that nobody can read. */
  appendBad(accountId: string, value: Buffer): void {
    const partition = this.topic.partitionOf(accountId);
    const offset = this.topic.appendRaw({ partition, key: Buffer.from(accountId), value });
    const at = { partition, offset, atMs: this.clock.monotonic() };
    this.facts.produced({ accountId, action: '', text: '', ...at, isBad: true });
  }

  /** A folder that no job had before, so that no two share one. */
  newFolder(): number {
    return this.#folders++;
  }

  /** A job that starts at the present end of the log. */
  createJob(accountId: string, members: Partial<JobSpec>, conf: string): Job {
    const spec = { ...jobSpec('', members), destinationConf: new Secret(conf) };
    const start = spec.enabled ? this.#ends() : undefined;
    const at = start && { topic: this.topic.topic, offsets: start };
    const job = this.stores.create(accountId, spec, at);
    this.progress.jobChanged(job.id, start);
    return job;
  }

  updateJob(id: number, members: Partial<JobSpec>): void {
    const { job } = this.stores.jobs.get(id)!;
    const spec = { ...job.spec, ...members };
    const contentChanged = 'filter' in members || 'outputOptions' in members;
    const start = spec.enabled && !job.wasEnabled ? this.#ends() : undefined;
    const at = start && { topic: this.topic.topic, offsets: start };
    const change = { spec, expectedRevision: job.revision, contentChanged, start: at };
    this.stores.update(id, change);
    this.progress.jobChanged(id, start);
  }

  deleteJob(id: number): void {
    this.stores.delete(id);
    this.progress.jobDeleted(id);
  }

  /** Delivers what the ranges hold of a job's events once more, there or where `conf` says. */
  startReplay(
    { id, accountId }: Job,
    ranges: readonly ReplayRange[],
    order: { conf: string | undefined; maxRecordsPerSecond: number | null },
  ): void {
    const { conf, maxRecordsPerSecond } = order;
    const destinationConf = conf === undefined ? undefined : new Secret(conf);
    const at = { topic: this.topic.topic, location: '', destinationConf };
    const replay = startReplay(this.stores, accountId, id, { ...at, ranges, maxRecordsPerSecond });
    if (replay) this.replays.started(replay);
  }

  #ends(): ReadonlyMap<number, number> {
    return new Map(this.topic.bounds().map(({ partition, end }) => [partition, end]));
  }
}

/** Of the buffer that holds so much: they double. */
function bufferBytes(bytes: number): number {
  let size = FIRST_BUFFER_BYTES;
  while (size < bytes) size *= 2;
  return size;
}
