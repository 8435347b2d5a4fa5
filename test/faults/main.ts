/**
 * `npm run test:faults`: every row of the fault matrix that runs against the real program, the long ones
 * too, and a table at the end: row, what was injected, result, events, missing, repeated.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startVitest } from 'vitest/node';
import type { Outcome } from './table.ts';

const ROW = /^row (\d+): (.*)$/;
const folder = mkdtempSync(join(tmpdir(), 'trailpush-faults-report-'));
const file = join(folder, 'rows.ndjson');
writeFileSync(file, '');
process.env['FAULTS_REPORT'] = file;
process.env['FAULTS'] = 'long';

/** Of all loads that a row sent. */
function outcomes(): Map<number, Outcome> {
  const found = new Map<number, Outcome>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
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

try {
  const vitest = await startVitest([], { project: ['faults'], watch: false });
  const found = outcomes();
  const rows = vitest.state
    .getTestModules()
    .flatMap((module) => [...module.children.allTests()])
    .flatMap((test) => {
      const [, row, injected = ''] = ROW.exec(test.name) ?? [];
      if (row === undefined) return [];
      const { events, missing, repeated } = found.get(Number(row)) ?? {};
      return [[Number(row), injected, test.result().state, events, missing, repeated] as const];
    })
    .toSorted(([one], [other]) => one - other);
  const header = ['row', 'what happens', 'result', 'events', 'missing', 'repeated'];
  const lines = [header, header.map(() => '---'), ...rows].map(
    (cells) => `| ${cells.map((cell) => cell ?? '').join(' | ')} |`,
  );
  process.stdout.write(`\n${lines.join('\n')}\n`);
  await vitest.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
