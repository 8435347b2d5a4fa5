import { SeededRandom } from '../kit/random.ts';
import { mix32 } from '../kit/hashing.ts';

/** What can go wrong. Each seed leaves out a random half of it, so that rare combinations are reached. */
export const FAULTS = [
  'kill',
  'freeze',
  'cut off from the group',
  'rebalance',
  'spawn',
  'stop',
  'clock jump',
  'create job',
  'delete job',
  'disable or enable job',
  'change content',
  'change destination',
  'change limits',
  'empty job set',
  'start replay',
  'cancel replay',
  'add partition',
  'retention',
  'log away',
  'store away',
  'store slow',
  'store failing',
  'store answers lost',
  'place down',
  'place refusing',
  'place throttling',
  'place slow',
  'place acknowledging late',
  'place answers lost',
  'place refusing some records',
  'place refusing large bodies',
  'bad records',
  'schema registry away',
  'slow compression',
] as const;
export type Fault = (typeof FAULTS)[number];

/** One deed of the nemesis. What it does exactly follows from its own seed. */
export interface Deed {
  readonly atMs: number;
  readonly fault: Fault;
  readonly seed: number;
}

export interface Burst {
  readonly atMs: number;
  readonly seed: number;
}

/** Everything about a run that is decided before it begins. */
export interface Scenario {
  readonly seed: number;
  readonly partitions: number;
  readonly processes: number;
  readonly jobs: number;
  readonly budgetBytes: number;
  readonly maxReadRecords: number;
  readonly hasOffsetGaps: boolean;
  readonly durationMs: number;
  readonly bursts: readonly Burst[];
  readonly faults: readonly Fault[];
  readonly deeds: readonly Deed[];
}

export const ACCOUNTS = ['acme', 'beta', 'gamma'] as const;
export const LOCATIONS = ['place-1', 'place-2', 'place-3'] as const;

/** A source of chance of its own, so that one more draw here changes nothing there. */
export function stream(seed: number, name: string): SeededRandom {
  let state = mix32(seed);
  for (const char of name) state = mix32(state ^ char.charCodeAt(0));
  return new SeededRandom(state);
}

export function scenarioOf(seed: number): Scenario {
  const random = stream(seed, 'scenario');
  const faults = FAULTS.filter(() => random.chance(0.5));
  const durationMs = random.between(15_000, 60_000);
  const seeds = (): number => random.between(0, 0x7fff_ffff);
  const bursts = Array.from({ length: random.between(12, 28) }, () => ({
    atMs: random.between(0, durationMs),
    seed: seeds(),
  }));
  const deeds = Array.from({ length: faults.length > 0 ? random.between(5, 35) : 0 }, () => ({
    atMs: random.between(0, durationMs),
    fault: random.pick(faults),
    seed: seeds(),
  }));
  return {
    seed,
    partitions: random.between(1, 3),
    processes: random.between(1, 3),
    jobs: random.between(1, 4),
    budgetBytes: random.pick([96 * 1024, 256 * 1024, 64 * 1024 * 1024]),
    maxReadRecords: random.between(3, 40),
    hasOffsetGaps: random.chance(0.5),
    ...{ durationMs, faults },
    bursts: bursts.toSorted((a, b) => a.atMs - b.atMs),
    deeds: deeds.toSorted((a, b) => a.atMs - b.atMs),
  };
}
