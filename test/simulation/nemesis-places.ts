import type { Verdict } from '@trailpush/core';
import type { SeededRandom } from '../kit/random.ts';
import type { Act } from './nemesis.ts';
import { CALM, type Behaviour } from './places.ts';
import { POST_LOCATION } from './put-oracle.ts';
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
  'place refusing some records': (random: SeededRandom): Behaviour => {
    const digit = random.between(0, 9);
    const poison = new RegExp(`^(?:\\* )?\\d*${digit} `, 'm');
    return {
      ...CALM,
      refuses: (payload) => (poison.test(payload) ? { kind: 'rejected' } : undefined),
    };
  },
  'place refusing large bodies': (random: SeededRandom): Behaviour => {
    const maxChars = random.pick([40, 200, 2_000]);
    return {
      ...CALM,
      refuses: (payload) => (payload.length > maxChars ? { kind: 'too_large' } : undefined),
    };
  },
};
export type PlaceTrouble = keyof typeof PLACE_TROUBLES;

export function placeDeeds(world: World) {
  const act =
    (trouble: PlaceTrouble): Act =>
    (random) => {
      const location = isOfPosts(trouble) ? POST_LOCATION : random.pick(LOCATIONS);
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
    'place refusing some records': act('place refusing some records'),
    'place refusing large bodies': act('place refusing large bodies'),
  };
}

function refusing(verdict: Verdict, random: SeededRandom): Behaviour {
  const answer = { verdict, message: `the place is scripted to say ${verdict.kind}` };
  return { ...CALM, refusalRate: random.pick([0.2, 0.6, 1]), answer };
}

/** Only POST kinds refuse a body as such. */
function isOfPosts(trouble: PlaceTrouble): boolean {
  return trouble === 'place refusing some records' || trouble === 'place refusing large bodies';
}
