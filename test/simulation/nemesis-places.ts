import type { Verdict } from '@trailpush/core';
import type { SeededRandom } from '../kit/random.ts';
import type { Act } from './nemesis.ts';
import { CALM, type Behaviour } from './places.ts';
import { LOCATIONS } from './scenario.ts';
import type { World } from './world.ts';

/** How places may behave when they are not well. */
export const PLACE_TROUBLES = {
  'place down': (random: SeededRandom) => refusing({ kind: 'retry' }, random),
  'place refusing': (random: SeededRandom) => refusing({ kind: 'refused' }, random),
  'place throttling': (random: SeededRandom) =>
    refusing({ kind: 'throttled', retryAfterMs: random.pick([1_000, 20_000]) }, random),
  'place slow': (random: SeededRandom): Behaviour => ({
    ...CALM,
    maxLandingMs: random.pick([1_000, 20_000]),
  }),
  'place acknowledging late': (random: SeededRandom): Behaviour => ({
    ...CALM,
    maxAnswerMs: random.pick([1_000, 40_000]),
  }),
  'place answers lost': (random: SeededRandom): Behaviour => ({
    ...CALM,
    lostAnswerRate: random.pick([0.2, 1]),
  }),
};
export type PlaceTrouble = keyof typeof PLACE_TROUBLES;

export function placeDeeds(world: World) {
  const act =
    (trouble: PlaceTrouble): Act =>
    (random) => {
      const location = random.pick(LOCATIONS);
      world.places.behave(location, PLACE_TROUBLES[trouble](random));
      world.forAWhile(random.between(500, 40_000), () => world.places.behave(location, CALM));
    };
  return {
    'place down': act('place down'),
    'place refusing': act('place refusing'),
    'place throttling': act('place throttling'),
    'place slow': act('place slow'),
    'place acknowledging late': act('place acknowledging late'),
    'place answers lost': act('place answers lost'),
  };
}

function refusing(verdict: Verdict, random: SeededRandom): Behaviour {
  const answer = { verdict, message: `the place is scripted to say ${verdict.kind}` };
  return { ...CALM, refusalRate: random.pick([0.2, 0.6, 1]), answer };
}
