import { createJob } from './nemesis-jobs.ts';
import { PLACE_TROUBLES, type PlaceTrouble } from './nemesis-places.ts';
import type { SimEvent } from './plain-dataset.ts';
import { POST_LOCATION } from './put-oracle.ts';
import { scenarioOf, stream, type Scenario } from './scenario.ts';
import type { CreateBatcher } from './sim-process.ts';
import { produce, type Outcome } from './simulation.ts';
import { World } from './world.ts';

const TROUBLES = Object.keys(PLACE_TROUBLES) as PlaceTrouble[];
/** What may still be open when the last burst was produced. */
const REST_MS = 15_000;
/** Room for the open batch of every job in every partition: with less, jobs must wait for each other. */
const BUDGET_BYTES = 512 * 1024;
/** Latencies are drawn anew, so that an event may miss a batch by a hair. */
const NOISE_MS = 250;
const NOISE_SHARE = 0.1;

/**
 * Invariant 8: the same traffic twice, once with trouble at one destination from beginning to end. The
 * delay of the jobs that deliver elsewhere must not change.
 */
export async function simulatePair(
  seed: number,
  createBatcher: CreateBatcher,
  trace?: (what: string) => void,
): Promise<Outcome> {
  const scenario = { ...scenarioOf(seed), jobs: 6, budgetBytes: BUDGET_BYTES };
  const fault = stream(seed, 'pair').pick(TROUBLES);
  const calm = await run(scenario, createBatcher, undefined, undefined);
  const troubled = await run(scenario, createBatcher, fault, trace);
  const { facts, clock, counts } = troubled;
  for (const [jobId, { conf }] of healthyJobs(troubled)) {
    const calmMs = meanDelayMs(calm, jobId);
    const troubledMs = meanDelayMs(troubled, jobId);
    if (troubledMs <= calmMs + Math.max(NOISE_MS, calmMs * NOISE_SHARE)) continue;
    const delays = `${calmMs.toFixed()} ms became ${troubledMs.toFixed()} ms`;
    facts.violate(8, `${fault}: the delay of job ${jobId} at ${conf} of ${delays}`);
  }
  return {
    seed,
    violations: [...calm.facts.violations, ...facts.violations],
    events: calm.events + troubled.events,
    steps: calm.clock.steps + clock.steps,
    virtualMs: calm.clock.monotonic() + clock.monotonic(),
    counts: { ...counts.toObject(), pairs: 1 },
  };
}

async function run(
  scenario: Scenario,
  createBatcher: CreateBatcher,
  fault: PlaceTrouble | undefined,
  trace: ((what: string) => void) | undefined,
): Promise<World> {
  const world = new World(scenario, createBatcher, trace);
  const { clock } = world;
  const begin = stream(scenario.seed, 'begin');
  for (let i = 0; i < scenario.jobs; i++) createJob(world, begin);
  world.spawn();
  const untilMs = scenario.durationMs + REST_MS;
  if (fault) {
    world.places.behave(POST_LOCATION, PLACE_TROUBLES[fault](stream(scenario.seed, 'trouble')));
  }
  for (const burst of scenario.bursts) clock.after(burst.atMs, () => produce(world, burst));
  await clock.run(untilMs, () => world.facts.violations.length > 0);
  world.close();
  return world;
}

function* healthyJobs({ stores }: World): Iterable<[number, { conf: string }]> {
  for (const [id, { job }] of stores.jobs) {
    const conf = job.spec.destinationConf.reveal();
    if (job.spec.enabled && !conf.startsWith(`mem://${POST_LOCATION}/`)) yield [id, { conf }];
  }
}

/** Of all events that the job is owed; those that never came count as if they came at the end. */
function meanDelayMs({ facts, puts, clock, stores }: World, jobId: number): number {
  const { filter } = stores.jobs.get(jobId)!.job.spec;
  const isMatch = ({ action }: SimEvent) => filter === '' || action === 'delete';
  const delays = [...facts.owedEvents(jobId)]
    .filter(isMatch)
    .map((event) => (puts.deliveredAtMs(jobId, event) ?? clock.monotonic()) - event.atMs);
  return delays.length === 0 ? 0 : delays.reduce((sum, ms) => sum + ms, 0) / delays.length;
}
