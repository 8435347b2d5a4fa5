import { existsSync, globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { readMatrix, root, suiteOf } from './matrix.ts';

const ROWS = 72;
const rows = readMatrix();
const read = (file: string): string => readFileSync(resolve(root, file), 'utf8');

it('has a test or a reason for every row of the fault matrix', () => {
  expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: ROWS }, (_, n) => n + 1));
});

it.each(rows.filter(({ file }) => file !== undefined))(
  'finds the test of row $row',
  ({ file = '', title = '' }) => {
    expect(existsSync(resolve(root, file)), file).toBe(true);
    expect(read(file)).toContain(title);
    expect(suiteOf(file)).toMatch(/\.test\.ts$/);
    expect(existsSync(resolve(root, suiteOf(file)))).toBe(true);
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
