import type { SeededRandom } from '../kit/random.ts';
import type { FaultyStore } from './faulty-store.ts';
import type { Act } from './nemesis.ts';
import type { World } from './world.ts';

export function storeDeeds(world: World) {
  const some =
    (hurt: (store: FaultyStore, random: SeededRandom) => void): Act =>
    (random) => {
      // The store itself, or the way of one process to it.
      const hit = random.chance(0.4) ? world.alive : world.alive.slice(0, 1);
      for (const { store } of hit) hurt(store, random);
      world.forAWhile(random.between(500, 30_000), () => {
        for (const { store } of hit) store.heal();
      });
    };
  return {
    'store away': some((store) => (store.isAway = true)),
    'store slow': some((store, random) => (store.maxLatencyMs = random.pick([200, 2_000]))),
    'store failing': some((store, random) => (store.failRate = random.pick([0.1, 0.5]))),
    'store answers lost': some((store, random) => {
      store.loseAnswerRate = random.pick([0.1, 0.5]);
    }),
  };
}
