import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedLog } from '@trailpush/log';
import { systemClock } from '@trailpush/runtime';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRecordingLogger } from '../kit/recording-logger.ts';
import { runCommand, type CommandResult } from '../kit/system/command.ts';
import { ADMIN_TOKEN, Program } from '../kit/system/program.ts';

/** `trailpush produce` says which lines were not sent, and sends all others, whoever has the data folder. */
const folder = mkdtempSync(join(tmpdir(), 'trailpush-produce-'));
const dataFolder = join(folder, 'data');
const file = join(folder, 'events.ndjson');
const GOOD_LINES = 150_000;
const MAX_RECORD_BYTES = 100_000;
const environment = {
  TRAILPUSH_DATA: dataFolder,
  TRAILPUSH_ADMIN_TOKEN: ADMIN_TOKEN,
  TRAILPUSH_MAX_RECORD_BYTES: String(MAX_RECORD_BYTES),
};

const produce = (settings: Record<string, string> = {}, path = file): Promise<CommandResult> =>
  runCommand(['produce', path], { ...environment, ...settings });

/** Records in the log of the data folder, which nobody has at the moment. */
async function recordsInLog(): Promise<number> {
  const { logger } = createRecordingLogger();
  const log = await openEmbeddedLog({ dir: dataFolder, clock: systemClock, logger });
  const bounds = await log.bounds();
  await log.close();
  return bounds.reduce((sum, { end }) => sum + end, 0);
}

/** Bad lines first, in the middle and last. */
beforeAll(() => {
  const half = '{"account":{"id":"a"}}\n'.repeat(GOOD_LINES / 2);
  const tooLong = 'x'.repeat(MAX_RECORD_BYTES + 1);
  writeFileSync(file, `\ufeffnonsense\r\n${tooLong}\n\n${half}{"nope":1}\n${half}{}`);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function expectReport({ exitCode, stdout, stderr }: CommandResult): void {
  const lineOf = (text: string): number => Number(/:(\d+):/.exec(text)?.[1] ?? Infinity);
  expect(stderr.split('\n').toSorted((a, b) => lineOf(a) - lineOf(b))).toEqual([
    `${file}:1: not sent: not a JSON object`,
    `${file}:2: not sent: the line has more than ${MAX_RECORD_BYTES} bytes`,
    expect.stringMatching(`:${GOOD_LINES / 2 + 4}: not sent: unknown member "nope"`),
    expect.stringMatching(`:${GOOD_LINES + 5}: not sent: account.id or organization.id`),
    '',
  ]);
  expect(stdout).toBe(`${GOOD_LINES} events sent, 4 bad lines not sent\n`);
  expect(exitCode).toBe(1);
}

describe('trailpush produce', () => {
  let program: Program | undefined;
  afterEach(async () => {
    await program?.kill();
    program = undefined;
    rmSync(dataFolder, { recursive: true, force: true });
  });

  async function startProgram(): Promise<Program> {
    mkdirSync(join(dataFolder, 'out'), { recursive: true });
    return Program.start({ command: 'up', dataFolder, environment });
  }

  it('appends to the log when no other process has the data folder', async () => {
    expectReport(await produce());
    expect(await recordsInLog()).toBe(GOOD_LINES);
  });

  it('sends to the program that has the data folder', async () => {
    program = await startProgram();
    expectReport(await produce());
    await program.kill();
    expect(await recordsInLog()).toBe(GOOD_LINES);
  });

  it('says from which line on nothing was acknowledged, and why', async () => {
    program = await startProgram();
    const { exitCode, stdout, stderr } = await produce({ TRAILPUSH_ADMIN_TOKEN: 'wrong-token' });
    expect(stderr).toContain('did not acknowledge the lines from 1 on: Authentication error\n');
    expect(stdout).toMatch(/^0 events sent/);
    expect(exitCode).toBe(1);
  });

  it.each([
    ['no file', join(folder, 'missing'), /^trailpush: there is no file .*missing\n$/],
    ['a folder', folder, /^trailpush: .* is a folder\n$/],
  ])('refuses %s', async (_what, path, message) => {
    const { exitCode, stderr } = await produce({}, path);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(2);
  });
});
