import { describe, expect, it } from 'vitest';
import { RandomBatcherRun } from '@trailpush/test/kit/random-batcher-run.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 100);
const FIRST_SEED = Number(process.env['SEED'] ?? 1);

describe('a batcher in random trouble', () => {
  it(`delivers every event exactly once when all is well again (${SEEDS} seeds)`, async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const run = new RandomBatcherRun(seed);
      const faults = await run.run();
      expect(faults, `seed ${seed}\n${run.story()}`).toEqual([]);
    }
  }, 300_000);
});
