import type { Batcher, BatcherOptions } from '@trailpush/batcher';
import type { Logger } from '@trailpush/core';
import type { Metrics } from '@trailpush/runtime';
import { objectKey } from '../../services/lib/destinations/src/object-key.ts';
import { BoundedLog } from './bounded-log.ts';
import { Boundary } from './boundary.ts';
import { FaultyStore } from './faulty-store.ts';
import { DATASET_ID, plainDataset } from './plain-dataset.ts';
import type { World } from './world.ts';

export type CreateBatcher = (options: BatcherOptions) => Batcher;

/** Of a record; larger ones are set aside. */
export const MAX_RECORD_BYTES = 8 * 1024;

/** One batcher process: the production core behind a border at which it can die, freeze or be cut off. */
export class SimProcess {
  readonly number: number;
  readonly boundary: Boundary;
  readonly store: FaultyStore;
  readonly log: BoundedLog;
  readonly batcher: Batcher;
  /** Set when it was told to stop. */
  isStopping = false;
  /** While the group has given its partitions to others. */
  isCutOff = false;

  constructor(world: World, number: number) {
    const { clock, random } = world;
    this.number = number;
    this.boundary = new Boundary(() => world.died(this));
    this.store = new FaultyStore({
      boundary: this.boundary,
      clock,
      random,
      watcher: { took: (call) => world.progress.took(number, call) },
      counts: world.counts,
    });
    this.log = new BoundedLog({ topic: world.topic, boundary: this.boundary, clock, random });
    const own = this.boundary.clock(clock);
    const { jobs, progress, jobHealth } = world.stores.open(this.store);
    this.batcher = world.createBatcher({
      ...{ log: this.log, jobs, progress, jobHealth, disableAfterMs: 0 },
      datasets: new Map([[DATASET_ID, plainDataset(world.registry, own)]]),
      openDestination: world.places.opener(this.boundary),
      objectKey,
      clock: own,
      logger: processLogger(number, world.trace),
      metrics: metricsThatWatch((heldBytes) => world.holds(this, heldBytes)),
      memoryBudgetBytes: world.scenario.budgetBytes,
      maxRecordBytes: MAX_RECORD_BYTES,
      gzipLevel: 1,
      random: random.next,
    });
  }

  /** Neither dead nor stopping. */
  get isServing(): boolean {
    return this.boundary.isAlive && !this.isStopping;
  }
}

const NOTHING = (): void => undefined;

/** Metrics that nobody reads, but for what the process holds in memory. */
function metricsThatWatch(onHeldBytes: (bytes: number) => void): Metrics {
  const metric = { inc: NOTHING, set: NOTHING, observe: NOTHING, remove: NOTHING };
  const group = new Proxy({}, { get: () => metric });
  const reading = new Proxy(
    {},
    {
      get: (_, name) => {
        if (name !== 'inflightBytes') return metric;
        return { ...metric, set: onHeldBytes };
      },
    },
  );
  return new Proxy({}, { get: (_, name) => (name === 'reading' ? reading : group) }) as Metrics;
}

function processLogger(number: number, trace: ((what: string) => void) | undefined): Logger {
  const write = (level: string) => (fields: object, message: string) =>
    trace?.(`process ${number} ${level}: ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = {
    debug: NOTHING,
    info: trace ? write('info') : NOTHING,
    warn: trace ? write('warn') : NOTHING,
    error: trace ? write('error') : NOTHING,
    child: () => logger,
  };
  return logger;
}
