import { messageOf } from '@trailpush/core';
import { createJob } from './nemesis-jobs.ts';
import { Nemesis } from './nemesis.ts';
import type { Violation } from './facts.ts';
import type { SimEvent } from './plain-dataset.ts';
import { ACCOUNTS, stream, type Burst, type Scenario } from './scenario.ts';
import type { CreateBatcher } from './sim-process.ts';
import { World } from './world.ts';

/** Back-off may have grown to its cap before all was healed. */
const HEALING_MS = 45 * 60_000;
/** A tick of the batcher, and what it takes to read, plan and put when all is well. */
const PROMPT_MS = 250 + 350;
const MAX_PROBES = 4;
const PROBE_AGAIN_MS = 20_000;

export interface Outcome {
  readonly seed: number;
  /** Empty when all was well; the run ends at the first. */
  readonly violations: readonly Violation[];
  readonly events: number;
  /** Steps of the scheduler. */
  readonly steps: number;
  readonly virtualMs: number;
  /** Faults that were injected, by name. */
  readonly counts: Readonly<Record<string, number>>;
}

/** One run: traffic and trouble, then healing, then a look at how prompt things are. */
export async function simulate(
  scenario: Scenario,
  createBatcher: CreateBatcher,
  trace?: (what: string) => void,
): Promise<Outcome> {
  const world = new World(scenario, createBatcher, trace);
  const { facts, clock, counts } = world;
  try {
    await trouble(world);
    await healing(world);
    await promptness(world);
    if (!isBroken(world)) checkComplete(world);
  } catch (error) {
    facts.violate(9, `the run broke: ${error instanceof Error ? error.stack : messageOf(error)}`);
  } finally {
    world.close();
  }
  return {
    seed: scenario.seed,
    violations: facts.violations,
    events: world.events,
    steps: clock.steps,
    virtualMs: clock.monotonic(),
    counts: counts.toObject(),
  };
}

async function trouble(world: World): Promise<void> {
  const { scenario, clock } = world;
  const { seed } = scenario;
  const nemesis = new Nemesis(world);
  const begin = stream(seed, 'begin');
  for (let i = 0; i < scenario.jobs; i++) createJob(world, begin);
  for (let i = 0; i < scenario.processes; i++) {
    clock.after(begin.between(0, 5_000), () => world.spawn());
  }
  for (const burst of scenario.bursts) clock.after(burst.atMs, () => produce(world, burst));
  for (const deed of scenario.deeds) clock.after(deed.atMs, () => nemesis.strike(deed));
  await clock.run(scenario.durationMs, () => isBroken(world));
}

/** Appends what the burst is made of. */
export function produce(world: World, { seed }: Burst): void {
  const random = stream(seed, 'burst');
  const count = random.between(1, 25);
  const accountId = random.pick(ACCOUNTS);
  for (let i = 0; i < count; i++) {
    world.produce({
      accountId: random.chance(0.8) ? accountId : random.pick(ACCOUNTS),
      action: random.pick(['delete', 'create', 'view']),
      hasNewSchema: random.chance(0.05),
      paddingChars: random.pick([0, 0, 0, 50, 1_500]),
    });
  }
  world.trace?.(`${count} events, most of ${accountId}`);
}

async function healing(world: World): Promise<void> {
  if (isBroken(world)) return;
  const { clock, facts, progress } = world;
  world.heal();
  const isDone = (): boolean => isBroken(world) || progress.lag() === undefined;
  await clock.run(clock.monotonic() + HEALING_MS, isDone);
  const lag = progress.lag();
  if (lag !== undefined && !isBroken(world)) facts.violate(9, `${lag} after ${HEALING_MS} ms`);
}

/**
 * Invariant 7: when all is well, what is produced arrives as soon as its batch is old enough. Members may
 * still be joining and partitions changing hands, so that it is tried a few times.
 */
async function promptness(world: World): Promise<void> {
  if (isBroken(world)) return;
  const { clock, facts } = world;
  for (let attempt = 1; ; attempt++) {
    const late = await probe(world);
    if (late === undefined || isBroken(world)) return;
    if (attempt === MAX_PROBES) {
      facts.violate(7, late);
      return;
    }
    await clock.run(clock.monotonic() + PROBE_AGAIN_MS, () => isBroken(world));
  }
}

/** What came too late; undefined when nothing did. */
async function probe(world: World): Promise<string | undefined> {
  const { clock, puts, stores } = world;
  const jobs = [...stores.jobs.values()].map(({ job }) => job).filter(({ spec }) => spec.enabled);
  const limitsMs = jobs.map(({ spec }) => spec.maxUploadIntervalSeconds * 1000);
  const startMs = clock.monotonic();
  const probes: SimEvent[] = ACCOUNTS.map((accountId) =>
    world.produce({ accountId, action: 'delete', hasNewSchema: false, paddingChars: 0 }),
  );
  const untilMs = startMs + Math.max(0, ...limitsMs) + PROMPT_MS;
  await clock.run(untilMs, () => isBroken(world));
  for (const { id, accountId, spec } of jobs) {
    const limitMs = spec.maxUploadIntervalSeconds * 1000 + PROMPT_MS;
    for (const event of probes.filter((of) => of.accountId === accountId)) {
      const atMs = puts.deliveredAtMs(id, event);
      if (atMs !== undefined && atMs - startMs <= limitMs) continue;
      const took = atMs === undefined ? 'did not come' : `took ${atMs - startMs} ms`;
      return `offset ${event.offset} for job ${id} ${took}, and ${limitMs} ms are allowed`;
    }
  }
  return undefined;
}

/** In the end once more from what was produced, whatever the cursors say. */
function checkComplete({ facts, progress, stores }: World): void {
  for (const id of stores.jobs.keys()) {
    for (const event of facts.owedEvents(id)) {
      if (!progress.isOwed(id, event)) continue;
      facts.violate(1, `job ${id} never got offset ${event.offset} of ${event.partition}`);
    }
  }
}

function isBroken({ facts }: World): boolean {
  return facts.violations.length > 0;
}
