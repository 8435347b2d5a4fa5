import type { Scenario } from './scenario.ts';

/**
 * A scenario with as few deeds and bursts as still make it fail: pieces are left out, halves first, and
 * what is left fails as well. Each part has chance of its own, so that the rest stays as it was.
 */
export async function minimise(
  scenario: Scenario,
  fails: (scenario: Scenario) => Promise<boolean>,
): Promise<Scenario> {
  const withDeeds = { ...scenario };
  const deeds = await reduce(scenario.deeds, (left) => fails({ ...withDeeds, deeds: left }));
  const bursts = await reduce(scenario.bursts, (left) =>
    fails({ ...scenario, deeds, bursts: left }),
  );
  return { ...scenario, deeds, bursts };
}

async function reduce<T>(
  items: readonly T[],
  fails: (left: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let left = items;
  for (let size = Math.ceil(left.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < left.length;) {
      const without = left.toSpliced(at, size);
      if (await fails(without)) left = without;
      else at += size;
    }
  }
  return left;
}
