import { createBatcher, type Batcher } from '@trailpush/batcher';
import { Secret, type Clock, type Job, type JobSpec, type ReplayRange } from '@trailpush/core';
import { datasets, WriterSchemas } from '@trailpush/datasets';
import { createMetrics, type Metrics } from '@trailpush/runtime';
import { objectKey } from '../../services/lib/destinations/src/object-key.ts';
import { eventValue, type EventFacts } from './events.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryTopic, type MemoryLog, type MemoryTopicOptions } from './memory-log.ts';
import { startReplay } from './memory-replays.ts';
import { plannedObject } from './memory-rows.ts';
import { MemoryStores } from './memory-stores.ts';
import { MortalClock } from './mortal-clock.ts';
import { createRecordingLogger } from './recording-logger.ts';
import { ScriptedPlaces, type KeptObject } from './scripted-destination.ts';
import { StoreFaults } from './store-faults.ts';
import { compressOn } from './virtual-compression.ts';

type SchemaSource = Parameters<typeof datasets>[0];

/** An event in the log, as the tests know it. */
export interface Produced extends EventFacts {
  readonly partition: number;
  readonly offset: number;
}

export interface ProcessOptions {
  readonly memoryBudgetBytes?: number;
  readonly maxRecordBytes?: number;
  readonly schemas?: SchemaSource;
  readonly metrics?: Metrics;
  /** Default: never. */
  readonly disableAfterMs?: number;
}

/** Creating them costs a timer each, and most tests look at none. */
let sharedMetrics: Metrics | undefined;

/** Lines of the tests' jobs: small, and naming what the tests look at. */
const OUTPUT_OPTIONS = JSON.stringify({
  field_names: ['AuditLogID', 'AccountID', 'ActionType', 'ResourceRequest'],
});

/**
 * The production batcher between doubles of all that lies around it, on one clock that the test turns.
 * Log, stores and places outlive the processes.
 */
export class BatcherWorld {
  readonly clock = new FakeClock();
  readonly topic: MemoryTopic;
  readonly places: ScriptedPlaces;
  readonly stores: MemoryStores;
  readonly logged = createRecordingLogger();
  readonly produced: Produced[] = [];
  readonly processes: BatcherProcess[] = [];
  readonly random: () => number;
  readonly #starts = new Map<number, ReadonlyMap<number, number>>();
  readonly #restoreCompression: () => void;

  constructor(
    options: Partial<Omit<MemoryTopicOptions, 'clock'>> & { random?: () => number } = {},
  ) {
    const { clock } = this;
    this.random = options.random ?? (() => 0.5);
    this.topic = new MemoryTopic({ partitions: 1, ...options, clock });
    this.stores = new MemoryStores(clock, {
      confirmed: (plan) => {
        const kept = this.places.at(plan.location).objects.get(plan.key);
        const isKept = kept?.payloadHash === plan.payloadHash;
        this.stores.mustHold(isKept, `${plan.key} was confirmed without lying at ${plan.location}`);
      },
    });
    this.places = new ScriptedPlaces({
      arrived: (object) => {
        if (this.stores.planned.has(plannedObject(object))) return;
        this.places.violations.push(`${object.key} came to ${object.location} without a plan`);
      },
    });
    this.#restoreCompression = compressOn(clock);
  }

  /** Ends all processes; every world must be closed, since it holds the compression of this thread. */
  close(): void {
    for (const process of this.processes) process.kill();
    this.#restoreCompression();
  }

  /** A job that starts at the present end of the log. */
  createJob(job: { accountId?: string; place?: string } & Partial<JobSpec> = {}): Job {
    const { accountId = 'acme', place = 'bucket', ...spec } = job;
    const offsets = new Map(this.topic.bounds().map(({ partition, end }) => [partition, end]));
    const whole = jobSpec(place, spec);
    const start = whole.enabled ? { topic: this.topic.topic, offsets } : undefined;
    const created = this.stores.create(accountId, whole, start);
    if (start) this.#starts.set(created.id, offsets);
    return created;
  }

  updateJob(id: number, change: Partial<JobSpec> & { place?: string }): Job {
    const { place, ...members } = change;
    const { job } = this.stores.jobs.get(id)!;
    const moved = place === undefined ? {} : { destinationConf: new Secret(`mem://${place}`) };
    const spec = { ...job.spec, ...members, ...moved };
    const contentChanged = ['filter', 'outputOptions', 'logpullOptions'].some(
      (name) => name in change,
    );
    const offsets = new Map(this.topic.bounds().map(({ partition, end }) => [partition, end]));
    const start =
      spec.enabled && !job.wasEnabled ? { topic: this.topic.topic, offsets } : undefined;
    if (start) this.#starts.set(id, offsets);
    return this.stores.update(id, {
      spec,
      expectedRevision: job.revision,
      contentChanged,
      start,
    })!;
  }

  deleteJob(id: number): void {
    this.stores.delete(id);
    this.#starts.delete(id);
  }

  /** Begins a replay of offsets `from` to `to` - 1 of a partition, below `bucket` unless it says otherwise. */
  startReplay(
    jobId: number,
    ranges: readonly ReplayRange[],
    order: { place?: string; maxRecordsPerSecond?: number } = {},
  ): number {
    const { topic } = this.topic;
    const { place, maxRecordsPerSecond = null } = order;
    const destinationConf = place === undefined ? undefined : new Secret(`mem://${place}`);
    const { accountId } = this.stores.jobs.get(jobId)!.job;
    const replay = { topic, ranges, maxRecordsPerSecond, destinationConf, location: 'bucket' };
    return startReplay(this.stores, accountId, jobId, replay)!.id;
  }

  /** Ids of the events that lie in the folder of a replay, in order of offset, repeated if they lie twice. */
  replayed(replayId: number, location = 'bucket'): string[] {
    return idsIn(
      [...this.places.at(location).objects.values()].filter(
        ({ key, metadata }) =>
          metadata.replayId === replayId && key.startsWith(`replay-${replayId}/`),
      ),
    );
  }

  /** Appends events of an account; their ids say in which order they came. */
  produce(accountId: string, count: number, facts: Partial<EventFacts> = {}): Produced[] {
    return Array.from({ length: count }, () => {
      const event = { id: `e${this.produced.length}`, ...facts, accountId };
      const [at] = this.topic.append([{ key: accountId, value: eventValue(event) }]);
      const produced = { ...event, ...at! };
      this.produced.push(produced);
      return produced;
    });
  }

  async start(options: ProcessOptions = {}): Promise<BatcherProcess> {
    const process = this.newProcess(options);
    await process.start();
    return process;
  }

  /** A process that was not started yet. */
  newProcess(options: ProcessOptions = {}): BatcherProcess {
    const process = new BatcherProcess(this, options);
    this.processes.push(process);
    return process;
  }

  advance(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }

  /** Turns the clock until the condition holds; fails after `withinMs` of its time. */
  async until(
    what: string,
    holds: () => boolean,
    { withinMs = 120_000, stepMs = 50 } = {},
  ): Promise<void> {
    const deadlineMs = this.clock.monotonic() + withinMs;
    await this.advance(0);
    while (!holds()) {
      if (this.clock.monotonic() >= deadlineMs) {
        throw new Error(`waited ${withinMs} ms in vain until ${what}\n${this.lastLines()}`);
      }
      await this.advance(stepMs);
    }
  }

  lastLines(count = 20): string {
    const lines = this.logged.lines.slice(-count);
    return lines
      .map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`)
      .join('\n');
  }

  /** Ids of the events that lie at a place for a job, in order of key, repeated if they lie twice. */
  delivered(jobId: number, location = 'bucket'): string[] {
    return idsIn(
      [...this.places.at(location).objects.values()].filter(({ metadata }) =>
        isOf(jobId, metadata),
      ),
    );
  }

  /** Ids of the events that a job must get: those of its account since its start. */
  owed(jobId: number, matches: (event: Produced) => boolean = () => true): string[] {
    const { accountId } = this.stores.jobs.get(jobId)!.job;
    const start = this.#starts.get(jobId) ?? new Map<number, number>();
    return this.produced
      .filter((event) => event.accountId === accountId && matches(event))
      .filter(({ partition, offset }) => offset >= (start.get(partition) ?? 0))
      .map(({ id }) => id);
  }

  /** What is wrong with the deliveries of a job; empty when every event came exactly once. */
  faults(jobId: number, location = 'bucket', matches?: (event: Produced) => boolean): string[] {
    const delivered = this.delivered(jobId, location);
    const owed = this.owed(jobId, matches);
    const counts = new Map<string, number>();
    for (const id of delivered) counts.set(id, (counts.get(id) ?? 0) + 1);
    const expected = new Set(owed);
    return [
      ...owed.filter((id) => !counts.has(id)).map((id) => `${id} is missing`),
      ...[...counts].filter(([, count]) => count > 1).map(([id, n]) => `${id} came ${n} times`),
      ...[...counts.keys()].filter((id) => !expected.has(id)).map((id) => `${id} is not owed`),
    ];
  }

  /**
   * As `faults`, over all places together: a job that moved may have left an object whose answer was
   * lost in its old folder, so that an event may lie in two folders, but never twice in one.
   */
  faultsEverywhere(
    jobId: number,
    events: {
      isOwed: (event: Produced) => boolean;
      /** Owed ones, and others that may have come. */
      isAllowed: (event: Produced) => boolean;
    },
  ): string[] {
    const missing = new Set(this.owed(jobId, events.isOwed));
    const allowed = new Set(this.owed(jobId, events.isAllowed));
    const faults: string[] = [];
    const seen = new Set<string>();
    for (const { objects } of this.places.places.values()) {
      for (const { location, key, lines, metadata } of objects.values()) {
        if (!isOf(jobId, metadata)) continue;
        const folder = `${location}/${key.slice(0, key.lastIndexOf('/'))}`;
        for (const id of lines.map((line) => String(line['AuditLogID']))) {
          const isTwice = seen.has(`${folder} ${id}`) && !this.#wasCut(jobId, id);
          if (isTwice) faults.push(`${id} lies twice in ${folder}`);
          if (!allowed.has(id)) faults.push(`${id} is not owed`);
          seen.add(`${folder} ${id}`);
          missing.delete(id);
        }
      }
    }
    return [...faults, ...[...missing].map((id) => `${id} is missing`)];
  }

  /** True when the log lost a part of the plan that had the event. */
  #wasCut(jobId: number, id: string): boolean {
    const event = this.produced.find((of) => of.id === id);
    return this.stores.cuts.some(
      (cut) =>
        cut.jobId === jobId &&
        cut.partition === event?.partition &&
        cut.first <= event.offset &&
        event.offset <= cut.last,
    );
  }

  /** Every rule that was broken, by anybody, at any time. */
  violations(): string[] {
    return [...this.stores.violations, ...this.places.violations];
  }

  cursor(jobId: number, partition = 0): number | undefined {
    return this.stores.partition(this.topic.topic, partition)?.cursors.get(jobId)?.cursor;
  }
}

/** True for the objects of the job itself, which those of its replays are no part of. */
function isOf(jobId: number, { jobId: of, replayId }: KeptObject['metadata']): boolean {
  return of === jobId && replayId === undefined;
}

function idsIn(objects: readonly KeptObject[]): string[] {
  return objects
    .toSorted((a, b) => a.metadata.firstOffset - b.metadata.firstOffset)
    .flatMap(({ lines }) => lines.map((line) => String(line['AuditLogID'])));
}

/** One batcher process, which can be killed at any moment. */
export class BatcherProcess {
  /** False after a kill or a stop. */
  alive = true;
  readonly batcher: Batcher;
  readonly faults: StoreFaults;
  readonly log: MemoryLog;
  readonly clock: MortalClock;
  readonly #world: BatcherWorld;

  constructor(world: BatcherWorld, options: ProcessOptions) {
    this.#world = world;
    this.clock = new MortalClock(world.clock);
    this.faults = new StoreFaults(this.clock);
    this.log = world.topic.open(this.clock);
    const { jobs, progress, jobHealth } = world.stores.open(this.faults);
    this.batcher = createBatcher({
      log: this.log,
      jobs,
      progress,
      jobHealth,
      disableAfterMs: options.disableAfterMs ?? 0,
      datasets: datasets(options.schemas ?? new WriterSchemas({})),
      openDestination: world.places.opener(this.clock),
      objectKey,
      clock: this.clock satisfies Clock,
      logger: world.logged.logger,
      metrics: options.metrics ?? (sharedMetrics ??= createMetrics()),
      memoryBudgetBytes: options.memoryBudgetBytes ?? 128 * 1024 * 1024,
      maxRecordBytes: options.maxRecordBytes ?? 8 * 1024 * 1024,
      gzipLevel: 1,
      random: world.random,
    });
  }

  async start(): Promise<void> {
    const started = this.batcher.start();
    await this.#world.advance(0);
    await started;
  }

  /** Stops as an operator asks for it. */
  async stop(): Promise<void> {
    let stopped = false;
    const stopping = this.batcher.stop().then(() => (stopped = true));
    await this.#world.until('the batcher has stopped', () => stopped);
    await stopping;
    this.alive = false;
  }

  /** Ends at once, wherever it is. With `expel: false` the group does not notice yet. */
  kill({ expel = true } = {}): void {
    this.alive = false;
    this.clock.kill();
    this.faults.severed = true;
    this.log.severed = true;
    if (expel) this.#world.topic.expel(this.log);
  }
}

export function jobSpec(place: string, members: Partial<JobSpec> = {}): JobSpec {
  return {
    name: 'job',
    dataset: 'audit_logs_v2',
    enabled: true,
    destinationConf: new Secret(`mem://${place}`),
    filter: '',
    outputOptions: OUTPUT_OPTIONS,
    maxUploadBytes: 0,
    maxUploadRecords: 0,
    maxUploadIntervalSeconds: 0,
    frequency: 'high',
    kind: '',
    logpullOptions: null,
    ...members,
  };
}
