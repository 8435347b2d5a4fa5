import type { Job } from '@trailpush/core';
import { BatcherWorld, type BatcherProcess, type Produced } from './batcher-world.ts';
import { SeededRandom } from './random.ts';
import type { Answer, ScriptedPlace } from './scripted-destination.ts';

const ACCOUNTS = ['acme', 'beta', 'gamma'];
const DELETES_ONLY = '{"where":{"key":"ActionType","operator":"eq","value":"delete"}}';
/** Back-off may have grown to its cap before all was healed. */
const HEALING_MS = 3 * 3_600_000;

/** What can go wrong. Each seed leaves out a random half, so that rare combinations are reached. */
const TROUBLES = [
  'kill',
  'zombie',
  'rebalance',
  'second process',
  'stop',
  'store away',
  'store slow',
  'lost answers',
  'place down',
  'place slow',
  'unseen deliveries',
  'log away',
  'disable',
  'new job',
  'delete job',
  'content',
  'move',
  'vanish',
  'bad records',
  'retention',
  'slow compression',
] as const;
type Trouble = (typeof TROUBLES)[number];

/** One seed: a while of traffic and trouble, then everything is healed, and nothing may be missing. */
export class RandomBatcherRun {
  readonly #random: SeededRandom;
  readonly #world: BatcherWorld;
  readonly #troubles: ReadonlySet<Trouble>;
  readonly #jobs = new Map<number, Job>();
  /** Jobs whose content was changed: only deletions are certainly owed. */
  readonly #changed = new Set<number>();
  readonly #story: string[] = [];
  readonly #budgetBytes: number;
  #moves = 0;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#troubles = new Set(TROUBLES.filter(() => random.chance(0.5)));
    this.#budgetBytes = random.pick([96 * 1024, 512 * 1024, 64 * 1024 * 1024]);
    const gap = random.chance(0.5);
    const slowCompression = this.#troubles.has('slow compression');
    this.#world = new BatcherWorld({
      partitions: random.between(1, 3),
      maxReadRecords: random.between(3, 40),
      offsetGap: () => (gap && random.chance(0.2) ? random.between(1, 3) : 0),
      random: random.next,
      compressionMs: () => (slowCompression ? random.between(0, 300) : 0),
    });
  }

  /** What happened, for whoever must find out why a seed failed. */
  story(): string {
    return [...this.#story, '---', this.#world.lastLines(60)].join('\n');
  }

  /** What was wrong in the end; empty when all was well. */
  async run(): Promise<string[]> {
    const world = this.#world;
    try {
      for (let i = this.#random.between(1, 4); i > 0; i--) this.#createJob();
      await this.#start();
      for (let step = this.#random.between(20, 60); step > 0; step--) {
        if (this.#random.chance(0.6)) this.#produce();
        if (this.#random.chance(0.5)) await this.#trouble();
        await world.advance(this.#random.pick([0, 10, 100, 1_000, 3_000]));
      }
      await this.#heal();
      return [...this.#faults(), ...world.violations()];
    } catch (error) {
      return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
    } finally {
      world.close();
    }
  }

  #tell(what: string): void {
    this.#story.push(`${this.#world.clock.monotonic()} ${what}`);
  }

  #produce(): void {
    const count = this.#random.between(1, 25);
    const account = this.#random.pick(ACCOUNTS);
    for (let i = 0; i < count; i++) {
      const actionType = this.#random.pick(['delete', 'create', 'view']);
      const bodyChars = this.#random.pick([10, 100, 3_000]);
      this.#world.produce(account, 1, { actionType, bodyChars });
    }
    this.#tell(`produced ${count} of ${account}`);
  }

  #createJob(): void {
    const job = this.#world.createJob({
      accountId: this.#random.pick(ACCOUNTS),
      place: `place-${this.#random.between(1, 3)}/p${this.#jobs.size}`,
      filter: this.#random.chance(0.3) ? DELETES_ONLY : '',
      enabled: this.#random.chance(0.9),
      maxUploadRecords: this.#random.pick([1, 3, 10, 0]),
      maxUploadIntervalSeconds: this.#random.pick([1, 5, 30]),
    });
    this.#jobs.set(job.id, job);
    this.#tell(`created job ${job.id} of ${job.accountId}, enabled ${job.spec.enabled}`);
  }

  async #start(): Promise<void> {
    const process = await this.#world.start({ memoryBudgetBytes: this.#budgetBytes });
    this.#tell(`started process ${this.#world.processes.indexOf(process)}`);
  }

  #alive(): BatcherProcess[] {
    return this.#world.processes.filter((process) => process.alive);
  }

  async #trouble(): Promise<void> {
    if (this.#troubles.size === 0) return;
    const trouble = this.#random.pick([...this.#troubles]);
    this.#tell(trouble);
    const world = this.#world;
    const alive = this.#alive();
    const place = this.#random.pick([1, 2, 3].map((n) => world.places.at(`place-${n}`)));
    const job = this.#jobs.size > 0 ? this.#random.pick([...this.#jobs.values()]) : undefined;
    switch (trouble) {
      case 'kill':
        if (alive.length === 0) return this.#start();
        {
          this.#random.pick(alive).kill({ expel: this.#random.chance(0.7) });
          return;
        }
      case 'zombie':
        if (alive.length > 0) world.topic.expel(this.#random.pick(alive).log);
        return this.#start();
      case 'rebalance': {
        world.topic.rebalance();
        return;
      }
      case 'second process':
        if (alive.length < 3) await this.#start();
        return;
      case 'stop': {
        const stopping = alive.find((process) => !process.faults.unavailable);
        if (stopping) void stopping.batcher.stop().then(() => (stopping.alive = false));
        return;
      }
      case 'store away':
      case 'store slow':
      case 'lost answers': {
        this.#troubleStores(trouble, alive);
        return;
      }
      case 'place down':
      case 'place slow':
      case 'unseen deliveries': {
        this.#troublePlace(trouble, place);
        return;
      }
      case 'log away':
        world.topic.unavailable = !world.topic.unavailable;
        return;
      case 'slow compression':
        return;
      case 'new job':
        if (this.#jobs.size < 6) this.#createJob();
        return;
      case 'retention':
        this.#trim();
        return;
      case 'bad records': {
        this.#appendBadRecords();
        return;
      }
      case 'vanish':
        if (job) world.stores.vanished.add(job.id);
        {
          world.stores.changed();
          return;
        }
      case 'disable':
      case 'delete job':
      case 'content':
      case 'move':
        if (job) this.#changeJob(trouble, job);
    }
  }

  #troubleStores(
    trouble: 'store away' | 'store slow' | 'lost answers',
    alive: readonly BatcherProcess[],
  ): void {
    if (alive.length === 0) return;
    const { faults } = this.#random.pick(alive);
    const random = this.#random;
    if (trouble === 'store away') faults.unavailable = !faults.unavailable;
    else if (trouble === 'store slow') faults.latencyMs = () => random.between(0, 1_500);
    else faults.fateOf = () => (random.chance(0.2) ? 'lose answer' : 'answer');
  }

  #troublePlace(
    trouble: 'place down' | 'place slow' | 'unseen deliveries',
    place: ScriptedPlace,
  ): void {
    const random = this.#random;
    if (trouble === 'place slow') {
      place.latencyMs = () => random.between(0, 20_000);
      return;
    }
    const failure = random.pick<Answer>([
      { verdict: { kind: 'retry' }, message: 'HTTP 503' },
      { verdict: { kind: 'refused' }, message: 'HTTP 403' },
      { verdict: { kind: 'throttled', retryAfterMs: 30_000 }, message: 'HTTP 429' },
    ]);
    const rate = random.pick([0.1, 0.5, 1]);
    const answer = trouble === 'place down' ? failure : 'deliver unseen';
    place.answer = () => (random.chance(rate) ? answer : 'deliver');
  }

  #trim(): void {
    const { topic } = this.#world;
    const { partition, start, end } = this.#random.pick(topic.bounds());
    topic.trim(partition, this.#random.between(start, end));
  }

  #appendBadRecords(): void {
    const key = Buffer.from(this.#random.pick(ACCOUNTS));
    const { topic } = this.#world;
    const partition = topic.partitionOf(key.toString());
    topic.appendRaw({ partition, key, value: null });
    topic.appendRaw({ partition, key, value: Buffer.from('no Avro at all') });
    topic.appendRaw({ partition, key: null, value: Buffer.from('no key') });
  }

  #changeJob(trouble: 'disable' | 'delete job' | 'content' | 'move', job: Job): void {
    const stored = this.#world.stores.jobs.get(job.id)!.job;
    switch (trouble) {
      case 'disable':
        this.#world.updateJob(job.id, { enabled: !stored.spec.enabled });
        return;
      case 'delete job':
        this.#world.deleteJob(job.id);
        this.#jobs.delete(job.id);
        return;
      case 'content':
        this.#changed.add(job.id);
        this.#world.updateJob(job.id, { filter: stored.spec.filter === '' ? DELETES_ONLY : '' });
        return;
      case 'move':
        this.#world.updateJob(job.id, {
          place: `place-${this.#random.between(1, 3)}/m${this.#moves++}`,
        });
    }
  }

  async #heal(): Promise<void> {
    const world = this.#world;
    this.#tell('healing');
    world.topic.unavailable = false;
    for (const { faults } of world.processes) {
      faults.unavailable = false;
      faults.latencyMs = () => 0;
      faults.fateOf = () => 'answer';
    }
    for (const place of world.places.places.values()) {
      place.answer = () => 'deliver';
      place.latencyMs = () => 0;
    }
    for (const process of world.processes) if (!process.alive) world.topic.expel(process.log);
    world.stores.vanished.clear();
    for (const [id] of this.#jobs) {
      if (!world.stores.jobs.get(id)!.job.spec.enabled) world.updateJob(id, { enabled: true });
    }
    world.stores.changed();
    // The last one may be a zombie or be stopping: one that is certainly well takes over.
    await this.#start();
    for (let ms = 0; ms < HEALING_MS && this.#faults().length > 0; ms += 5_000) {
      await world.advance(5_000);
    }
    await world.advance(60_000);
  }

  #faults(): string[] {
    return [...this.#jobs.keys()].flatMap((id) => {
      const { filter } = this.#world.stores.jobs.get(id)!.job.spec;
      const deletesOnly = this.#changed.has(id) || filter === DELETES_ONLY;
      const isOwed = (event: Produced) =>
        (!deletesOnly || event.actionType === 'delete') && !this.#isInGap(id, event);
      const isAllowed = ({ actionType }: Produced) =>
        this.#changed.has(id) || !deletesOnly || actionType === 'delete';
      const faults = this.#world.faultsEverywhere(id, { isOwed, isAllowed });
      return faults.map((fault) => `job ${id}: ${fault}`);
    });
  }

  /** What the log lost before the job had read it is told as a gap, and nothing else is. */
  #isInGap(jobId: number, { partition, offset }: Produced): boolean {
    const { gaps } = this.#world.stores;
    const { start } = this.#world.topic.partition(partition);
    if (offset >= start) return false;
    return gaps.some(
      (gap) =>
        gap.jobId === jobId && gap.partition === partition && gap.from <= offset && gap.to > offset,
    );
  }
}
