import { Presets, SingleBar } from 'cli-progress';
import { InvalidArgumentError, type Command } from 'commander';
import { ConfigError } from '@trailpush/core';
import { openEvidenceSource, type VerifyingKeys } from '@trailpush/destinations';
import { createLogger, loadConfig, systemClock } from '@trailpush/runtime';
import type { Report, VerifiedChain } from './verify/findings.ts';
import { fetchKeys, readKeyFile } from './verify/keys.ts';
import { verifyPlace } from './verify/verify.ts';
import { destinationPolicy } from './world.ts';

interface Options {
  readonly publicKey?: string;
  readonly keysFrom?: string;
  readonly until?: string;
  readonly since?: string;
  readonly job?: readonly number[];
  readonly json?: boolean;
}

/** What is printed of findings; `--json` has more. */
const MAX_SHOWN = 100;

/** `trailpush verify PLACE`. Exit codes: 0 proven, 1 not proven, 2 a wrong argument. */
export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .argument(
      '<place>',
      'a folder, or s3://bucket/prefix?region=...&access-key-id=...&secret-access-key=... as a destination_conf (r2:// too; without keys, those of the environment); - reads it from standard input',
    )
    .description('prove that what was delivered is complete and unchanged, by its signed digests')
    .option('--public-key <file>', 'public keys in a file, PEM or JSON as served')
    .option('--keys-from <url>', 'the trailpush that serves them, such as https://logs.example.com')
    .option('--until <time>', 'digests must reach this time (default: now)')
    .option('--since <time>', 'look only at what was written at this time or later')
    .option('--job <id...>', 'jobs whose digests must be there', jobIds)
    .option('--json', 'print the result as JSON')
    .action(verify);
}

async function verify(place: string, options: Options): Promise<void> {
  const keys = await keysOf(options);
  const untilMs = timeOf('--until', options.until) ?? systemClock.now();
  const sinceMs = timeOf('--since', options.since) ?? -Infinity;
  const logger = createLogger({ level: 'warn', stream: process.stderr });
  const policy = destinationPolicy(loadConfig());
  const source = await openEvidenceSource(place === '-' ? await readStdin() : place, {
    ...{ policy, logger },
  });
  const bar = new Bar();
  try {
    const report = await verifyPlace({
      ...{ source, keys, untilMs, sinceMs, isUntilGiven: options.until !== undefined },
      jobIds: options.job ?? [],
      onProgress: (progress) => bar.show(progress),
    });
    bar.stop();
    if (options.json === true) printJson(source.name, report);
    else printText(source.name, report);
    process.exitCode = report.isProven ? 0 : 1;
  } finally {
    bar.stop();
    source.close();
  }
}

async function keysOf({ publicKey, keysFrom }: Options): Promise<VerifyingKeys> {
  if (publicKey !== undefined && keysFrom === undefined) return readKeyFile(publicKey);
  if (keysFrom !== undefined && publicKey === undefined) return fetchKeys(keysFrom);
  throw new ConfigError('name the public keys, with either --public-key FILE or --keys-from URL');
}

function timeOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new ConfigError(`${option} must be a time such as 2030-01-01T00:00:00Z, but is "${text}"`);
}

function jobIds(text: string, before: readonly number[] = []): readonly number[] {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be the id of a job.');
  return [...before, Number(text)];
}

async function readStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text.trim();
}

/** Only on a terminal. */
class Bar {
  #bar: SingleBar | undefined;

  show({ total, done }: { total?: number; done?: number }): void {
    if (total !== undefined && total > 0 && process.stderr.isTTY) {
      const format = '{bar} {percentage}% | {value} of {total} objects | {eta_formatted} left';
      const options = { format, stream: process.stderr };
      this.#bar = new SingleBar(options, Presets.shades_classic);
      this.#bar.start(total, 0);
    }
    if (done !== undefined) this.#bar?.increment(done);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

function printText(place: string, report: Report): void {
  const lines = report.findings
    .slice(0, MAX_SHOWN)
    .map(({ kind, name, message }) => `${kind}: ${name === '' ? '' : `${name}: `}${message}`);
  const all = Object.values(report.counts).reduce((sum, count) => sum + count, 0);
  if (all > lines.length) lines.push(`... and ${all - lines.length} more; --json shows them`);
  for (const chain of report.chains) lines.push(...chainLines(chain));
  if (report.elsewhere > 0) {
    lines.push(`note: ${report.elsewhere} objects lie at other places, which were not looked at`);
  }
  if (report.pendingCount > 0) {
    lines.push(`note: ${report.pendingCount} objects are too new for a digest, and not proven yet`);
  }
  const { objects, records } = report;
  const counts = Object.entries(report.counts).map(([kind, count]) => `${count} ${kind}`);
  lines.push(
    report.isProven
      ? `proven: ${place} holds all ${objects} objects (${records} records) that its digests name, unchanged`
      : `not proven: ${place}: ${counts.join(', ')}; ${objects} objects are as they were written`,
  );
  process.stdout.write(`${lines.join('\n')}\n`);
}

function chainLines(chain: VerifiedChain): string[] {
  const { jobId, accountId, digests, from, to, state, gaps, deadLetters } = chain;
  const lost = [
    ...(gaps > 0 ? [`${gaps} ranges of offsets that the log lost before they were delivered`] : []),
    ...(deadLetters > 0 ? [`${deadLetters} records that were set aside as dead letters`] : []),
  ];
  return [
    `job ${jobId} of account ${accountId}: ${digests} digests from ${from} to ${to}` +
      (state === 'enabled' ? '' : `, when it was ${state}`),
    ...(lost.length === 0 ? [] : [`note: the digests of job ${jobId} name ${lost.join(', and ')}`]),
  ];
}

function printJson(place: string, report: Report): void {
  const result = {
    ...{ place, proven: report.isProven, objects: report.objects, records: report.records },
    chains: report.chains.map(({ jobId, accountId, deadLetters, ...rest }) => ({
      ...{ job_id: jobId, account_id: accountId, ...rest, dead_letters: deadLetters },
    })),
    ...{ elsewhere: report.elsewhere, pending: report.pending },
    pending_count: report.pendingCount,
    ...{ counts: report.counts, findings: report.findings },
  };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}
