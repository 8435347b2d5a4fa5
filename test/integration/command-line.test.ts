import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runCommand } from '../kit/system/command.ts';
import { freePort, TRAILPUSH } from '../kit/system/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'trailpush-command-line-'));
const emptyFolder = join(folder, 'empty');
const noKeys = join(folder, 'no-keys');
mkdirSync(emptyFolder);
writeFileSync(noKeys, 'these are\nno keys\n');

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const url = `http://127.0.0.1:${await freePort()}`;
const RANGE = ['--since', '2026-01-01', '--before', '2026-02-01'];

/** What is wrong with the arguments is said in one line on standard error, with exit code 2. */
const REFUSED: readonly (readonly [args: readonly string[], line: RegExp])[] = [
  [['prodce', 'x'], /unknown command 'prodce' \(Did you mean produce\?\) \(--help shows/],
  [['up', 'more'], /too many arguments for 'up'/],
  [['replay', '1'], /required option '--account <id>' not specified/],
  [
    ['token', 'create', '--account', 'a', '--permission', 'Log Write'],
    /'--permission <name...>' argument 'Log Write' is invalid\. Allowed choices are Logs Write/,
  ],
  [['restore', emptyFolder], /no objects lie there/],
  [['verify', emptyFolder, '--public-key', noKeys], /must hold public keys, in PEM or .*neither/],
  [
    ['audit', 'download', 'acme', ...RANGE, '--url', url],
    /no trailpush API answers at http:\/\/127\.0\.0\.1:\d+ \(connect ECONNREFUSED.*--url/,
  ],
];

describe('the command line', () => {
  it.each(REFUSED)('refuses %j in one line', async (args, line) => {
    const settings = { TRAILPUSH_DATA: join(folder, 'data') };
    const { exitCode, stdout, stderr } = await runCommand(args, settings);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^trailpush: [^\n]+\n$/);
    expect(stderr).toMatch(line);
    expect(exitCode).toBe(2);
  });

  it('ends as ever when nobody reads its output any more', async () => {
    const child = spawn(process.execPath, [TRAILPUSH, '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [exitCode] = (await once(child, 'close')) as [number | null];
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
  });
});
