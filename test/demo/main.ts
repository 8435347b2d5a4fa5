/**
 * `npm run demo`: the whole system in this process, without Docker, Java or a database server. Sends
 * sample events, delivers them to files, an S3 endpoint and an HTTP receiver, verifies that every event
 * arrived exactly once, prints where to look, and keeps serving; `--exit` ends after the verification.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventSource } from '../kit/event-source.ts';
import { createDemoJob, sendEvents } from './client.ts';
import { openDestinations, type DemoDestination } from './destinations.ts';
import { Progress, printTable } from './screen.ts';

const EVENTS = 100_000;
const ACCOUNT = 'demo-account';
const DELIVERED_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 200;

const endsAfterCheck = process.argv.includes('--exit');
const folder = mkdtempSync(join(tmpdir(), 'trailpush-demo-'));
const dataFolder = join(folder, 'data');
const fileRoot = join(folder, 'files');
mkdirSync(fileRoot);

/** The program itself, as `trailpush up` runs it, on a free port. */
async function startProgram(): Promise<{ url: string; token: string }> {
  Object.assign(process.env, {
    PORT: '0',
    TRAILPUSH_DATA: dataFolder,
    TRAILPUSH_FILE_ROOT: fileRoot,
    TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS: '127.0.0.0/8',
    TRAILPUSH_RELAX_LIMITS: '1',
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'warn',
    // Empty is unset: whatever the shell has, the demo needs none of them.
    KAFKA_BROKERS: '',
    DATABASE_URL: '',
    SCHEMA_REGISTRY_URL: '',
  });
  const { runServices } = await import('@trailpush/cli');
  await runServices(['api', 'batcher'], {});
  const read = (name: string) => readFileSync(join(dataFolder, name), 'utf8').trim();
  return { url: read('address'), token: read('admin-token') };
}

async function waitForDelivery(
  destinations: readonly DemoDestination[],
  progress: Progress,
): Promise<boolean> {
  const deadline = performance.now() + DELIVERED_WITHIN_MS;
  for (;;) {
    const counts = destinations.map((destination) => destination.look());
    progress.update(Math.min(...counts));
    if (counts.every((count) => count >= EVENTS)) return true;
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function demo(): Promise<number> {
  process.stdout.write(
    'Trailpush demo: one process, the embedded log, three local destinations\n\n',
  );
  const program = await startProgram();
  const destinations = await openDestinations(fileRoot);
  for (const destination of destinations) await createDemoJob(program, ACCOUNT, destination);

  const source = new EventSource({ accounts: [ACCOUNT] });
  const sending = new Progress('sent', EVENTS);
  const sentAtMs = await sendEvents(program, source, EVENTS, (sent) => sending.update(sent));
  sending.end();
  const delivering = new Progress('delivered', EVENTS);
  const isComplete = await waitForDelivery(destinations, delivering);
  delivering.end();

  const ids = Array.from({ length: EVENTS }, (_, index) => source.id(index));
  const rows = destinations.map((destination) => destination.verify(ids, sentAtMs));
  printTable(rows);
  const isRight = isComplete && rows.every(({ exactlyOnce }) => exactlyOnce === EVENTS);
  process.stdout.write(
    isRight
      ? `\nEvery one of ${EVENTS} events arrived exactly once at each destination.\n`
      : '\nNOT every event arrived exactly once: this is a fault of the program. Please report it.\n',
  );
  const places = destinations.map(({ name, where }) => `  ${name.padEnd(6)} ${where}`).join('\n');
  process.stdout.write(
    `\nWhere to look:\n${places}\n  API    ${program.url}  (token: ${program.token})\n`,
  );
  process.stdout.write(
    `  curl -s ${program.url}/client/v4/accounts/${ACCOUNT}/logpush/jobs -H "Authorization: Bearer ${program.token}"\n`,
  );
  return isRight ? 0 : 1;
}

const interruption = new AbortController();
process.once('SIGINT', () => {
  interruption.abort();
});
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
try {
  const exitCode = await demo();
  if (endsAfterCheck) process.exit(exitCode);
  process.stdout.write('\nServing until interrupted (Ctrl-C).\n');
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const isInterrupted = interruption.signal.aborted;
  process.stderr.write(`demo: ${isInterrupted ? 'interrupted' : message}\n`);
  process.exit(isInterrupted ? 130 : 1);
}
