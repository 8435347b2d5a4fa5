/**
 * `npm run test:faults`: every row of the fault matrix that has a test, the long ones too, and a table at the end:
 * row, injected, invariants, result, events, missing, duplicates. The last three are counted where the real program delivers.
 * `-- --row 12 --row 29` runs these alone; `-- --full` lets faults last as long as the matrix says, half an hour in all.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';
import { withServers } from '../kit/servers.ts';
import { readMatrix, suiteOf, titlePattern, type MatrixRow } from './matrix.ts';
import type { Outcome } from './table.ts';

interface Ran {
  readonly file: string;
  readonly title: string;
  readonly state: string;
}

const { values } = parseArgs({
  options: { row: { type: 'string', multiple: true }, full: { type: 'boolean', default: false } },
});
const wanted = values.row && new Set(values.row.map(Number));
const rows = readMatrix().filter(({ row }) => wanted?.has(row) ?? true);
const tested = rows.filter(({ file }) => file !== undefined);
const folder = mkdtempSync(join(tmpdir(), 'trailpush-faults-report-'));
const reportFile = join(folder, 'rows.ndjson');
writeFileSync(reportFile, '');

/** Of all loads that a row sent. */
function outcomes(): Map<number, Outcome> {
  const found = new Map<number, Outcome>();
  for (const line of readFileSync(reportFile, 'utf8').split('\n')) {
    if (line === '') continue;
    const { row, ...one } = JSON.parse(line) as Outcome & { row: number };
    const sum = found.get(row) ?? { events: 0, missing: 0, repeated: 0 };
    found.set(row, {
      events: Math.max(sum.events, one.events),
      missing: sum.missing + one.missing,
      repeated: sum.repeated + one.repeated,
    });
  }
  return found;
}

async function runTests(): Promise<Ran[]> {
  const files = new Set(tested.map(({ file = '' }) => suiteOf(file)));
  const titles = tested.map(({ title = '' }) => titlePattern(title));
  const vitest = await startVitest([...files], {
    testNamePattern: titles.join('|'),
    watch: false,
  });
  const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()]);
  const ran = tests.map((test) => {
    const { state } = test.result();
    return { file: test.module.relativeModuleId, title: test.fullName, state };
  });
  await vitest.close();
  return ran;
}

/** What the tests of a row came to; one that was skipped or not found is no success. */
function resultOf({ file, title }: MatrixRow, ran: readonly Ran[]): string {
  if (file === undefined || title === undefined) return 'not run';
  const pattern = new RegExp(titlePattern(title));
  const own = ran.filter((test) => test.file === suiteOf(file) && pattern.test(test.title));
  const worst = own.find(({ state }) => state !== 'passed');
  return own.length === 0 ? 'not found' : (worst?.state ?? 'passed');
}

function print(ran: readonly Ran[]): void {
  const found = outcomes();
  const header = ['row', 'injected', 'invariants', 'result', 'events', 'missing', 'duplicates'];
  const cells = rows.map((one) => {
    const { events, missing, repeated } = found.get(one.row) ?? {};
    return [one.row, one.happens, one.invariants, resultOf(one, ran), events, missing, repeated];
  });
  const lines = [header, header.map(() => '---'), ...cells].map(
    (line) => `| ${line.map((cell) => cell ?? '').join(' | ')} |`,
  );
  process.stdout.write(`\n${lines.join('\n')}\n`);
  const failed = tested.filter((one) => resultOf(one, ran) !== 'passed');
  process.stdout.write(
    `\n${tested.length - failed.length} of ${tested.length} rows passed, ${rows.length - tested.length} are not run\n`,
  );
  if (failed.length > 0) process.exitCode = 1;
}

try {
  await withServers(async (_servers, environment) => {
    Object.assign(process.env, environment, {
      FAULTS: values.full ? 'full' : 'long',
      FAULTS_REPORT: reportFile,
    });
    print(await runTests());
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
