import type { SeededRandom } from '../kit/random.ts';
import type { Act } from './nemesis.ts';
import type { SimProcess } from './sim-process.ts';
import type { World } from './world.ts';

const MAX_PROCESSES = 4;
/** A member that says nothing for so long loses its partitions. */
const SESSION_MS = 10_000;
const DAY_MS = 86_400_000;

export function processDeeds(world: World) {
  const one =
    (act: (process: SimProcess, random: SeededRandom) => void): Act =>
    (random) => {
      if (world.alive.length > 0) act(random.pick(world.alive), random);
    };
  return {
    kill: one(({ boundary }, random) => {
      boundary.dieAt = boundary.crossings + random.between(1, 80);
    }),
    freeze: one((process, random) => freeze(world, process, random.between(100, 30_000))),
    'cut off from the group': one((process, random) => {
      cutOff(world, process, random.between(0, 20_000));
    }),
    rebalance: () => world.topic.rebalance(),
    spawn: () => {
      if (world.alive.length < MAX_PROCESSES) world.spawn();
    },
    stop: one((process) => {
      if (process.isStopping) return;
      process.isStopping = true;
      void process.batcher.stop().then(() => process.boundary.kill());
    }),
    'clock jump': one(({ boundary }, random) => {
      boundary.wallOffsetMs = random.pick([-DAY_MS, -5_000, 5_000, DAY_MS]);
    }),
  };
}

/** Longer than its session lasts, others get its partitions, and it does not know when it wakes up. */
function freeze(world: World, process: SimProcess, ms: number): void {
  const { boundary, log, number } = process;
  if (boundary.isFrozen) return;
  boundary.freeze();
  world.trace?.(`process ${number} freezes for ${ms} ms`);
  world.forAWhile(ms, () => {
    boundary.thaw();
    log.catchUp();
  });
  world.clock.after(SESSION_MS, () => {
    if (boundary.isFrozen) cutOff(world, process, ms - SESSION_MS);
  });
}

/** The process hears only later that its membership was lost, and joins again by itself. */
export function cutOff(world: World, process: SimProcess, ms: number): void {
  const { clock, random, topic } = world;
  const { log, boundary } = process;
  if (process.isCutOff) return;
  process.isCutOff = true;
  const tell = topic.expel(log.handle);
  world.forAWhile(ms, () => {
    if (boundary.isAlive) tell();
    clock.after(random.between(0, 3_000), () => {
      process.isCutOff = false;
      if (process.isServing) topic.rejoin(log.handle);
    });
  });
}
