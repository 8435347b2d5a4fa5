/**
 * `npm run test:simulation`: many seeds in all threads that there are; `-- --seed N` replays one of them
 * with its trace, and `--minimise` reduces it first. Exit code 1: an invariant was broken.
 */
import { parseArgs } from 'node:util';
import { minimise } from './minimise.ts';
import { INVARIANTS } from './facts.ts';
import { simulatePair } from './pair.ts';
import { runSeeds, type Totals } from './run-seeds.ts';
import { scenarioOf } from './scenario.ts';
import { simulate } from './simulation.ts';
import { createBatcher } from '@trailpush/batcher';

const MAX_FAILURES = 10;
/** One pair of runs for so many single ones. */
const SEEDS_A_PAIR = 20;
const PROGRESS_EVERY_RUNS = 1000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20000' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    pair: { type: 'boolean', default: false },
    minimise: { type: 'boolean', default: false },
  },
});

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function replay(seed: number): Promise<void> {
  let scenario = scenarioOf(seed);
  if (values.minimise) {
    const broken = (await simulate(scenario, createBatcher)).violations[0]?.invariant;
    scenario = await minimise(scenario, async (candidate) => {
      const { violations } = await simulate(candidate, createBatcher);
      return violations[0] !== undefined && violations[0].invariant === broken;
    });
  }
  print(JSON.stringify(scenario, undefined, 2));
  const { violations } = values.pair
    ? await simulatePair(seed, createBatcher, print)
    : await simulate(scenario, createBatcher, print);
  for (const { invariant, what, atMs } of violations) {
    print(`BROKEN at ${atMs}: ${invariant}, ${INVARIANTS[invariant]}\n  ${what}`);
  }
  if (violations.length > 0) process.exitCode = 1;
  else print('all invariants held');
}

async function runAll(first: number, count: number): Promise<void> {
  const startedMs = performance.now();
  let nextReport = PROGRESS_EVERY_RUNS;
  const onProgress = ({ runs, failures }: Totals): void => {
    if (runs < nextReport) return;
    nextReport += PROGRESS_EVERY_RUNS;
    print(`${runs} seeds, ${failures.length} failures, ${seconds(startedMs)} s`);
  };
  const options = { first, maxFailures: MAX_FAILURES };
  const runs = await runSeeds({ ...options, kind: 'run', count, onProgress });
  const pairs = await runSeeds({
    ...options,
    kind: 'pair',
    count: Math.ceil(count / SEEDS_A_PAIR),
  });
  print('\nInjected and seen:');
  for (const [name, times] of Object.entries(runs.counts.toObject())) {
    print(`  ${name.padEnd(36)} ${times}`);
  }
  for (const { kind, seed, violation } of [...runs.failures, ...pairs.failures]) {
    const { invariant, what, atMs } = violation;
    print(`\nseed ${seed} broke ${invariant} (${INVARIANTS[invariant]}) at ${atMs} ms:\n  ${what}`);
    print(`  npm run test:simulation -- --seed ${seed}${kind === 'pair' ? ' --pair' : ''}`);
    process.exitCode = 1;
  }
  const perSeed = (runs.events / runs.runs).toFixed();
  print(
    `\n${runs.runs} seeds and ${pairs.runs} pairs in ${seconds(startedMs)} s: ${perSeed} events a seed, ` +
      `${(runs.virtualMs / 3_600_000).toFixed()} hours, ${runs.steps} steps, ` +
      `${runs.failures.length + pairs.failures.length} failures`,
  );
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed();
}

if (values.seed === undefined) await runAll(Number(values.first), Number(values.seeds));
else await replay(Number(values.seed));
