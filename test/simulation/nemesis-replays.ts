import { endReplay } from '../kit/memory-replays.ts';
import type { SeededRandom } from '../kit/random.ts';
import { newConf } from './nemesis-jobs.ts';
import type { World } from './world.ts';

const MAX_RUNNING = 3;

export function replayDeeds(world: World) {
  const { stores, topic } = world;
  const running = () => [...stores.replays.values()].filter(({ state }) => state === 'running');
  return {
    'start replay': (random: SeededRandom) => {
      if (running().length >= MAX_RUNNING) return;
      const ranges = topic
        .bounds()
        .filter(({ start, end }) => end > start && random.chance(0.8))
        .map(({ partition, start, end }) => {
          const from = random.between(start, end - 1);
          return { partition, from, to: random.between(from + 1, end) };
        });
      if (ranges.length === 0) return;
      world.startReplay(random.pick(world.jobs), ranges, {
        conf: random.chance(0.5) ? newConf(world, random) : undefined,
        maxRecordsPerSecond: random.pick([null, 2, 20]),
      });
    },
    'cancel replay': (random: SeededRandom) => {
      const replays = running();
      if (replays.length > 0) endReplay(stores, random.pick(replays).id, 'cancelled');
    },
  };
}
