import { Secret, type Verdict } from '@trailpush/core';
import type { SeededRandom } from '../kit/random.ts';
import { CALM, type Behaviour } from './places.ts';
import { DELETES_ONLY, MARKED } from './plain-dataset.ts';
import { ACCOUNTS, LOCATIONS, stream, type Deed } from './scenario.ts';
import { MAX_RECORD_BYTES, type SimProcess } from './sim-process.ts';
import type { World } from './world.ts';

const MAX_PROCESSES = 4;
const MAX_JOBS = 6;
const MAX_PARTITIONS = 4;
const SESSION_MS = 10_000;

/** Does what the scenario says, to the world and the processes in it. */
export class Nemesis {
  readonly #world: World;
  #folders = 0;

  constructor(world: World) {
    this.#world = world;
  }

  strike({ fault, seed }: Deed): void {
    const random = stream(seed, fault);
    const { trace, counts } = this.#world;
    trace?.(`nemesis: ${fault}`);
    counts.add(`nemesis: ${fault}`);
    if (fault.startsWith('place ')) this.#troublePlace(fault, random);
    else if (fault.startsWith('store ')) this.#troubleStore(fault, random);
    else if (!this.#troubleProcess(fault, random) && !this.#changeJobs(fault, random)) {
      this.#troubleLog(fault, random);
    }
  }

  createJob(random: SeededRandom): void {
    const { id, spec } = this.#world.createJob(
      random.pick(ACCOUNTS),
      {
        filter: random.chance(0.3) ? DELETES_ONLY : '',
        outputOptions: random.chance(0.3) ? MARKED : null,
        enabled: random.chance(0.9),
        ...limits(random),
      },
      this.#conf(random),
    );
    this.#world.trace?.(`job ${id} at ${spec.destinationConf.reveal()}, enabled ${spec.enabled}`);
  }

  #conf(random: SeededRandom): string {
    return `mem://${random.pick(LOCATIONS)}/${this.#folders++}/{DATE}`;
  }

  #troublePlace(fault: string, random: SeededRandom): void {
    const { places } = this.#world;
    const location = random.pick(LOCATIONS);
    places.behave(location, behaviourOf(fault, random));
    this.#world.forAWhile(random.between(500, 40_000), () => places.behave(location, CALM));
  }

  #troubleStore(fault: string, random: SeededRandom): void {
    const { alive } = this.#world;
    // All of them, or one that is cut off from it.
    const hit = random.chance(0.4) ? alive : alive.slice(0, 1);
    for (const { store } of hit) {
      if (fault === 'store away') store.isAway = true;
      else if (fault === 'store slow') store.maxLatencyMs = random.pick([200, 2_000]);
      else if (fault === 'store failing') store.failRate = random.pick([0.1, 0.5]);
      else store.loseAnswerRate = random.pick([0.1, 0.5]);
    }
    this.#world.forAWhile(random.between(500, 30_000), () => {
      for (const { store } of hit) store.heal();
    });
  }

  /** False: the fault is of another kind. */
  #troubleProcess(fault: Deed['fault'], random: SeededRandom): boolean {
    const world = this.#world;
    const { alive } = world;
    const process = alive.length > 0 ? random.pick(alive) : undefined;
    switch (fault) {
      case 'kill':
        if (process) process.boundary.dieAt = process.boundary.crossings + random.between(1, 80);
        return true;
      case 'freeze':
        if (process) this.#freeze(process, random);
        return true;
      case 'cut off from the group':
        if (process) this.#cutOff(process, random.between(0, 20_000));
        return true;
      case 'rebalance':
        world.topic.rebalance();
        return true;
      case 'spawn':
        if (alive.length < MAX_PROCESSES) world.spawn();
        return true;
      case 'stop':
        if (process) this.#stop(process);
        return true;
      case 'clock jump':
        if (process) {
          process.boundary.wallOffsetMs = random.pick([-86_400_000, -5_000, 5_000, 86_400_000]);
        }
        return true;
      default:
        return false;
    }
  }

  /** Longer than its session lasts, others get its partitions, and it does not know when it wakes up. */
  #freeze(process: SimProcess, random: SeededRandom): void {
    const world = this.#world;
    const { boundary, log } = process;
    const ms = random.between(100, 30_000);
    let tell: (() => void) | undefined;
    boundary.freeze();
    world.trace?.(`process ${process.number} freezes for ${ms} ms`);
    const expel = (): void => {
      if (boundary.isFrozen) tell = world.topic.expel(log.handle);
    };
    world.clock.after(SESSION_MS, expel);
    world.forAWhile(ms, () => {
      boundary.thaw();
      log.catchUp();
      if (tell) this.#readmit(process, tell);
    });
  }

  #cutOff(process: SimProcess, ms: number): void {
    const tell = this.#world.topic.expel(process.log.handle);
    this.#world.forAWhile(ms, () => this.#readmit(process, tell));
  }

  /** The process hears that its membership was lost, and joins again by itself. */
  #readmit(process: SimProcess, tell: () => void): void {
    const { clock, random, topic } = this.#world;
    if (process.boundary.isAlive) tell();
    clock.after(random.between(0, 3_000), () => {
      if (process.isServing) topic.rejoin(process.log.handle);
    });
  }

  #stop(process: SimProcess): void {
    if (process.isStopping) return;
    process.isStopping = true;
    void process.batcher.stop().then(() => process.boundary.kill());
  }

  /** False: the fault is of another kind. */
  #changeJobs(fault: Deed['fault'], random: SeededRandom): boolean {
    const { stores, random: anyTime } = this.#world;
    if (fault === 'create job') {
      if (stores.jobs.size < MAX_JOBS) this.createJob(random);
      return true;
    }
    if (fault === 'empty job set') {
      for (const id of stores.jobs.keys()) stores.vanished.add(id);
      stores.changed();
      this.#world.forAWhile(anyTime.between(1_000, 20_000), () => {
        stores.vanished.clear();
        stores.changed();
      });
      return true;
    }
    const change = this.#changeOf(fault, random);
    if (change === undefined) return false;
    const ids = [...stores.jobs.keys()];
    const isLast = fault === 'delete job' && ids.length < 2;
    if (ids.length > 0 && !isLast) change(random.pick(ids));
    return true;
  }

  #changeOf(fault: Deed['fault'], random: SeededRandom): ((id: number) => void) | undefined {
    const world = this.#world;
    const specOf = (id: number) => world.stores.jobs.get(id)!.job.spec;
    switch (fault) {
      case 'delete job':
        return (id) => world.deleteJob(id);
      case 'disable or enable job':
        return (id) => world.updateJob(id, { enabled: !specOf(id).enabled });
      case 'change content':
        return (id) => {
          const { filter, outputOptions } = specOf(id);
          if (random.chance(0.5)) world.updateJob(id, { filter: filter ? '' : DELETES_ONLY });
          else world.updateJob(id, { outputOptions: outputOptions === null ? MARKED : null });
        };
      case 'change destination':
        return (id) => world.updateJob(id, { destinationConf: new Secret(this.#conf(random)) });
      case 'change limits':
        return (id) => world.updateJob(id, limits(random));
      default:
        return undefined;
    }
  }

  #troubleLog(fault: Deed['fault'], random: SeededRandom): void {
    const world = this.#world;
    const { topic } = world;
    const ms = random.between(500, 20_000);
    switch (fault) {
      case 'add partition':
        if (topic.bounds().length < MAX_PARTITIONS) topic.addPartition();
        return;
      case 'retention':
        this.#trim(random);
        return;
      case 'log away':
        topic.unavailable = true;
        world.forAWhile(ms, () => (topic.unavailable = false));
        return;
      case 'schema registry away':
        world.registry.isAway = true;
        world.forAWhile(ms, () => (world.registry.isAway = false));
        return;
      case 'slow compression':
        world.maxCompressionMs = random.pick([20, 300]);
        world.forAWhile(ms, () => (world.maxCompressionMs = 0));
        return;
      default:
        this.#appendBadRecords(random);
    }
  }

  #trim(random: SeededRandom): void {
    const { topic, stores } = this.#world;
    const { partition, start, end } = random.pick(topic.bounds());
    // What nobody ever took is nobody's loss.
    if (!stores.partition(topic.topic, partition)?.epoch) return;
    const to = random.between(start, random.chance(0.5) ? end : Math.floor((start + end) / 2));
    this.#world.trace?.(`partition ${partition} holds from ${to} on`);
    topic.trim(partition, to);
  }

  #appendBadRecords(random: SeededRandom): void {
    const { topic } = this.#world;
    const account = random.pick(ACCOUNTS);
    const key = Buffer.from(account);
    const partition = topic.partitionOf(account);
    topic.appendRaw({ partition, key, value: null });
    topic.appendRaw({ partition, key, value: Buffer.from('no event at all') });
    topic.appendRaw({ partition, key, value: Buffer.from('0 another delete old ') });
    topic.appendRaw({ partition, key, value: Buffer.alloc(MAX_RECORD_BYTES + 1) });
    topic.appendRaw({ partition, key: null, value: Buffer.from('no key') });
  }
}

function limits(random: SeededRandom) {
  return {
    maxUploadRecords: random.pick([1, 3, 10, 0]),
    maxUploadIntervalSeconds: random.pick([1, 3, 10]),
    maxUploadBytes: random.pick([0, 0, 2_000]),
  };
}

function behaviourOf(fault: string, random: SeededRandom): Behaviour {
  const refusing = (verdict: Verdict): Behaviour => ({
    ...CALM,
    refusalRate: random.pick([0.2, 0.6, 1]),
    answer: { verdict, message: `the place is scripted to be ${verdict.kind}` },
  });
  switch (fault) {
    case 'place down':
      return refusing({ kind: 'retry' });
    case 'place refusing':
      return refusing({ kind: 'refused' });
    case 'place throttling':
      return refusing({ kind: 'throttled', retryAfterMs: random.pick([1_000, 20_000]) });
    case 'place slow':
      return { ...CALM, maxLandingMs: random.pick([1_000, 20_000]) };
    case 'place acknowledging late':
      return { ...CALM, maxAnswerMs: random.pick([1_000, 40_000]) };
    default:
      return { ...CALM, lostAnswerRate: random.pick([0.2, 1]) };
  }
}
