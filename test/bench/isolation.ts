/**
 * `npm run bench:isolation [-- --minutes 10] [--pairs 3] [--jobs 1000] [--events-per-second 200]`: what half of the jobs notice when the
 * destinations of the other half are dead. Prints one table; exit code 1 when a bound does not hold.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NODE_ENVIRONMENT, NODE_FLAGS } from '@trailpush/cli/node-settings';
import type { IsolationResult, IsolationRun } from './isolation-run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    pairs: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '1000' },
    'events-per-second': { type: 'string', default: '200' },
  },
});
const MAX_RESIDENT_BYTES = 512 * 1024 * 1024;
const seconds = Number(values.minutes) * 60;
const jobs = Number(values.jobs);
const eventsPerSecond = Number(values['events-per-second']);

async function measure(dead: boolean): Promise<IsolationResult> {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-isolation-'));
  const run: IsolationRun = { folder, jobs, dead, seconds, eventsPerSecond };
  const script = join(import.meta.dirname, 'isolation-run.ts');
  const child = spawn(process.execPath, [...NODE_FLAGS, script, JSON.stringify(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...NODE_ENVIRONMENT },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0) throw new Error(`a run ended with ${String(code)}`);
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as IsolationResult;
}

const rows: string[] = [];
const changesMs: number[] = [];
const baseMs: number[] = [];
let worstResident = 0;
let isHealed = true;

function note(name: string, result: IsolationResult): void {
  const { medianMs, p99Ms, events, peakResidentBytes, cpuSeconds, healedAfterSeconds } = result;
  worstResident = Math.max(worstResident, peakResidentBytes);
  isHealed &&= healedAfterSeconds !== null;
  const times = [medianMs, p99Ms].map((ms) => ms.toFixed(0));
  const rest = [peakResidentBytes / 1e6, cpuSeconds, healedAfterSeconds ?? Number.NaN];
  const row = [name, ...times, events, ...rest.map((value) => value.toFixed(0))];
  rows.push(`| ${row.join(' | ')} |`);
  process.stderr.write(`bench: ${rows.at(-1)}\n`);
}

for (let pair = 1; pair <= Number(values.pairs); pair++) {
  const well = await measure(false);
  note(`pair ${pair}, all well`, well);
  const dead = await measure(true);
  note(`pair ${pair}, half dead`, dead);
  baseMs.push(well.medianMs);
  changesMs.push(dead.medianMs - well.medianMs);
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const changeMs = median(changesMs);
const allowedMs = Math.max(250, median(baseMs) * 0.1);
const { length: cores, 0: core } = cpus();
const header = ['run', 'median ms', 'p99 ms', 'events', 'peak MB', 'CPU s', 'complete after s'];
process.stdout.write(
  [
    `${jobs} jobs, ${eventsPerSecond} events/s, ${values.minutes} minutes; ${core?.model ?? 'unknown CPU'}, ${cores} cores, Node ${process.versions.node}`,
    '',
    `| ${header.join(' | ')} |`,
    `| ${header.map(() => '---').join(' | ')} |`,
    ...rows,
    '',
    `The median delay changed by ${changeMs.toFixed(0)} ms (allowed: ${allowedMs.toFixed(0)} ms).`,
    '',
  ].join('\n'),
);
const holds = changeMs <= allowedMs && worstResident < MAX_RESIDENT_BYTES && isHealed;
process.exitCode = holds ? 0 : 1;
