/**
 * `npm run test:mutations`: tests the simulation itself. Each planted fault must be caught within so many
 * seeds. Exit code 1: one was not.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { runSeeds } from './run-seeds.ts';

const MAX_SEEDS = 2000;
const ROOT = resolve(import.meta.dirname, '../..');

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });

/** A copy of the core with the fault in it. Returns the folder. */
function plant({ name, file, find, replace }: Mutation): string {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-mutation-'));
  cpSync(join(ROOT, 'services/batcher/src'), join(folder, 'src'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const path = join(folder, 'src', file);
  const parts = readFileSync(path, 'utf8').split(find);
  if (parts.length !== 2) {
    throw new Error(
      `${name}: ${file} has ${parts.length - 1} places that read\n${find}\nThe core has changed: adapt the mutation.`,
    );
  }
  writeFileSync(path, parts.join(replace));
  return folder;
}

/** What caught the fault; undefined when nothing did. */
async function hunt(mutation: Mutation): Promise<{ seed: number; invariant: number } | undefined> {
  const folder = plant(mutation);
  try {
    const batcherUrl = pathToFileURL(join(folder, 'src/index.ts')).href;
    const options = { kind: 'run', first: 1, count: MAX_SEEDS, maxFailures: 1 } as const;
    const { failures } = await runSeeds({ ...options, batcherUrl });
    const [first] = failures;
    return first && { seed: first.seed, invariant: first.violation.invariant };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.stdout.write(`${'planted fault'.padEnd(60)} seed  invariant\n`);
let missed = 0;
for (const mutation of MUTATIONS.filter(({ name }) => name.includes(values.only))) {
  const caught = await hunt(mutation);
  if (!caught) missed++;
  const result = caught
    ? `${String(caught.seed).padStart(4)}  ${caught.invariant}`
    : `not caught within ${MAX_SEEDS} seeds`;
  process.stdout.write(`${mutation.name.padEnd(60)} ${result}\n`);
}
process.stdout.write(missed === 0 ? 'all were caught\n' : `${missed} were not caught\n`);
if (missed > 0) process.exitCode = 1;
