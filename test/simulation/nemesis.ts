import type { SeededRandom } from '../kit/random.ts';
import { jobDeeds } from './nemesis-jobs.ts';
import { logDeeds } from './nemesis-log.ts';
import { placeDeeds } from './nemesis-places.ts';
import { processDeeds } from './nemesis-processes.ts';
import { replayDeeds } from './nemesis-replays.ts';
import { storeDeeds } from './nemesis-stores.ts';
import { stream, type Deed, type Fault } from './scenario.ts';
import type { World } from './world.ts';

/** What one deed does; `random` is its own. */
export type Act = (random: SeededRandom) => void;

/** Does what the scenario says, to the world and the processes in it. */
export class Nemesis {
  readonly #world: World;
  readonly #acts: Readonly<Record<Fault, Act>>;

  constructor(world: World) {
    this.#world = world;
    this.#acts = {
      ...processDeeds(world),
      ...jobDeeds(world),
      ...replayDeeds(world),
      ...placeDeeds(world),
      ...storeDeeds(world),
      ...logDeeds(world),
    };
  }

  strike({ fault, seed }: Deed): void {
    const { trace, counts } = this.#world;
    trace?.(`nemesis: ${fault}`);
    counts.add(`nemesis: ${fault}`);
    this.#acts[fault](stream(seed, fault));
  }
}
