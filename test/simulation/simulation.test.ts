import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createBatcher } from '@trailpush/batcher';
import { describe, expect, it } from 'vitest';
import { minimise } from './minimise.ts';
import { MUTATIONS } from './mutations.ts';
import { scenarioOf } from './scenario.ts';
import { simulate } from './simulation.ts';

const SEEDS = 1000;
const run = promisify(execFile);

describe('a planted fault', () => {
  it.each(MUTATIONS)('$name has its place in the core', ({ file, find }) => {
    const core = join(import.meta.dirname, '../../services/batcher/src');
    expect(readFileSync(join(core, file), 'utf8').split(find)).toHaveLength(2);
  });
});

describe('the simulation', () => {
  it(`finds no invariant broken in ${SEEDS} seeds`, async () => {
    const program = join(import.meta.dirname, 'main.ts');
    const { stdout } = await run(process.execPath, [program, '--seeds', String(SEEDS)]).catch(
      (error: unknown) => {
        throw new Error((error as { stdout: string }).stdout, { cause: error });
      },
    );
    expect(stdout).toContain(`${SEEDS} seeds and`);
    expect(stdout).toContain(' 0 failures\n');
  }, 300_000);

  it('gives the same run for the same seed', async () => {
    const storyOf = async (): Promise<string[]> => {
      const story: string[] = [];
      await simulate(scenarioOf(7), createBatcher, (line) => story.push(withoutIds(line)));
      return story;
    };
    const story = await storyOf();
    expect(story.length).toBeGreaterThan(100);
    expect(await storyOf()).toEqual(story);
  });

  it('reduces a scenario to what makes it fail', async () => {
    const { deeds, bursts } = await minimise(scenarioOf(3), async (candidate) => {
      const kinds = candidate.deeds.map(({ fault }) => fault);
      return kinds.includes(scenarioOf(3).deeds[2]!.fault) && candidate.bursts.length >= 2;
    });
    expect(deeds.length).toBe(1);
    expect(bursts.length).toBe(2);
  });
});

/** Processes name themselves by chance, which nothing may depend on. */
function withoutIds(line: string): string {
  return line.replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'id');
}
