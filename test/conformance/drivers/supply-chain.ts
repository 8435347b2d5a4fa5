import { expect } from 'vitest';

import {
  credentialsIn,
  hiddenCharactersIn,
  packagesWithoutHash,
  readFromRoot,
  workspacesOutOfStep,
  writtenFiles,
  type Lockfile,
} from '../../repo/supply-chain.ts';
import type { Driver, Drivers } from '../cases.ts';

/**
 * This run is a part of CI: what is looked for here fails it. Each look first finds what is put there for
 * it to find.
 */
const lookEverywhere =
  (find: (text: string) => string[], planted: readonly string[]): Driver =>
  () => {
    for (const text of planted) expect(find(`const a = '${text}';`)).toHaveLength(1);
    const files = writtenFiles();
    expect(files).toEqual(expect.arrayContaining(['package-lock.json', '.ci/run', 'README.md']));
    const found = files.flatMap((file) => find(readFromRoot(file)).map((text) => [file, text]));
    expect(found).toEqual([]);
  };

// Put together here, else they would be found here.
const TOKENS = [
  `AKIA${'Z'.repeat(16)}`,
  `ghp_${'a'.repeat(36)}`,
  `tp_${'b'.repeat(43)}`,
  `-----BEGIN PRIVATE KEY-----\n${'c'.repeat(64)}`,
];

const lockfile = (): Lockfile => JSON.parse(readFromRoot('package-lock.json')) as Lockfile;

const manifestOf = (folder: string): object =>
  JSON.parse(readFromRoot(folder === '' ? 'package.json' : `${folder}/package.json`)) as object;

const outOfStep: Driver = () => {
  expect(workspacesOutOfStep(lockfile(), manifestOf)).toEqual([]);
  const other = { dependencies: { 'left-pad': '1.3.0' } };
  const changed = (folder: string) => (folder === 'services/cli' ? other : manifestOf(folder));
  expect(workspacesOutOfStep(lockfile(), changed)).toEqual(['services/cli']);
  // And npm itself refuses: a clean install is the only one there is.
  for (const file of ['.ci/run', 'deploy/Dockerfile']) {
    expect(readFromRoot(file)).toMatch(/npm ci\b/);
    expect(readFromRoot(file)).not.toMatch(/npm (?:i|install|add|update)\b/);
  }
};

const withoutHash: Driver = () => {
  const { packages } = lockfile();
  expect(Object.keys(packages).length).toBeGreaterThan(100);
  expect(packagesWithoutHash({ packages })).toEqual([]);
  const stray = { 'node_modules/stray': { resolved: 'https://registry.npmjs.org/stray.tgz' } };
  expect(packagesWithoutHash({ packages: { ...packages, ...stray } })).toEqual([
    'node_modules/stray',
  ]);
};

/** Cases about what comes into the repository. */
export const drivers: Drivers = {
  badInputs: {
    'supply-chain-01': lookEverywhere(credentialsIn, TOKENS),
    'supply-chain-02': outOfStep,
    'supply-chain-03': withoutHash,
    'supply-chain-04': lookEverywhere(hiddenCharactersIn, ['\u202e', '\u200b', '\u2066']),
  },
};
