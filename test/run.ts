/**
 * `npm test`: starts the real servers that can be had once for the whole run, runs every suite, and says
 * at the end what ran against what. With CI=true a server that cannot be had is a failure.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withServers, type Server } from './kit/servers.ts';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

/** Runs vitest with the servers in its environment. Resolves to its exit code. */
async function runSuites(environment: Record<string, string>, reportFile: string): Promise<number> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const child = spawn('vitest', ['run', ...reporters, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function summarise(servers: readonly Server[], reportFile: string): void {
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
  const lines = servers.map((server) => {
    const outcome =
      'unavailable' in server
        ? `SKIPPED: ${server.unavailable}`
        : `ran against ${server.description}`;
    return `  ${server.name.padEnd(11)} ${outcome}`;
  });
  process.stdout.write(`\nIntegration suites:\n${lines.join('\n')}\n\n`);
  const { numPassedTests, numFailedTests, numPendingTests } = report;
  process.stdout.write(
    `${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped\n`,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'trailpush-test-'));
try {
  await withServers(async (servers, environment) => {
    const reportFile = join(folder, 'report.json');
    process.exitCode = await runSuites(environment, reportFile);
    summarise(servers, reportFile);
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
