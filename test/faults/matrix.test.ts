import { existsSync, globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROWS = 72;
const root = resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(resolve(root, file), 'utf8');

/** `| 7 | what happens | \`file\`: title of the test |`, or `not run: why`. */
const LINE = /^\| (\d+) +\| .+? +\| (?:`([^`]+)`: (.+?)|not run: (.+?)) +\|$/;
const rows = read('test/faults/README.md')
  .split('\n')
  .flatMap((line) => {
    const [, row, file, title, reason] = LINE.exec(line) ?? [];
    return row === undefined ? [] : [{ row: Number(row), file, title, reason }];
  });

it('has a test or a reason for every row of the fault matrix', () => {
  expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: ROWS }, (_, n) => n + 1));
});

it.each(rows.filter(({ file }) => file !== undefined))(
  'finds the test of row $row',
  ({ file = '', title = '' }) => {
    expect(existsSync(resolve(root, file)), file).toBe(true);
    expect(read(file)).toContain(title);
  },
);

it('lists every row that is tested here', () => {
  const listed = new Set(rows.map(({ row }) => row));
  const tested = globSync('test/faults/*.test.ts', { cwd: root }).flatMap((file) =>
    [...read(file).matchAll(/'row (\d+):/g)].map(([, row]) => Number(row)),
  );
  expect(tested.length).toBeGreaterThan(15);
  expect(tested.filter((row) => !listed.has(row))).toEqual([]);
});
