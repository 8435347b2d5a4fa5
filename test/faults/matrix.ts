import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** The repository. */
export const root = resolve(import.meta.dirname, '../..');

/** A row of the matrix in `README.md`: its test, or why there is none. */
export interface MatrixRow {
  readonly row: number;
  readonly happens: string;
  /** The numbers of those that it endangers; see `README.md`. */
  readonly invariants: string;
  /** Where the test is written; a contract is run by the suites of its implementations. */
  readonly file: string | undefined;
  /** A part of its title; `%s` and the like stand for what the test is run with. */
  readonly title: string | undefined;
}

/** `| 7 | what happens | 1, 9 | \`file\`: title of the test |`, or `not run: why`. */
const LINE = /^\| (\d+) +\| (.+?) +\| ([\d, ]+?) +\| (?:`([^`]+)`: (.+?)|not run: .+?) +\|$/;

export function readMatrix(): readonly MatrixRow[] {
  return readFileSync(resolve(root, 'test/faults/README.md'), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, row, happens = '', invariants = '', file, title] = LINE.exec(line) ?? [];
      return row === undefined ? [] : [{ row: Number(row), happens, invariants, file, title }];
    });
}

/** One suite of each contract that the matrix names. */
const SUITES = new Map([
  ['test/kit/contracts/audit-store', 'services/lib/stores/src/audit/sqlite-audit-store.test.ts'],
  ['test/kit/contracts/record-log', 'test/integration/kafka-log.test.ts'],
  ['test/kit/contracts/stores', 'services/lib/stores/src/sqlite-stores.test.ts'],
]);

/** The file that runs a row's test. */
export function suiteOf(file: string): string {
  const contract = [...SUITES.keys()].find((folder) => file.startsWith(`${folder}/`));
  return contract === undefined ? file : (SUITES.get(contract) ?? file);
}

/** Matches the full title of a test that the matrix names by a part of it. */
export function titlePattern(title: string): string {
  return title.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replace(/%[sid]/g, '.*');
}
