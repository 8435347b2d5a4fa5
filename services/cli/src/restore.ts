import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { ConfigError, messageOf, TrailpushError } from '@trailpush/core';
import { parseRfc3339Micros } from '@trailpush/datasets';
import { openFolder, parseDestination, type ObjectSource } from '@trailpush/destinations';
import { Restorer } from '@trailpush/indexer';
import { createLogger, Lifecycle, loadConfig, Readiness, systemClock } from '@trailpush/runtime';
import { openAuditStore } from './audit.ts';
import { timeOf } from './time-option.ts';
import { destinationPolicy, takeDataFolder, type Base } from './world.ts';

interface RestoreOptions {
  readonly account?: string;
  readonly since?: string;
  readonly before?: string;
  readonly keepUntil: string;
  readonly dryRun?: true;
  readonly data?: string;
}

/** What is printed of bad lines; a wrong folder can have millions. */
const MAX_SHOWN_ERRORS = 100;
/** What the events of version 1 have besides; no field of `audit_logs_v2` shows it. */
const NEVER_EXPORTED = 'interface, owner, metadata, old_value and new_value';

/** What could not be read. What was stored by then stays, and is left out the next time. */
class UnreadableError extends TrailpushError {}

/** `trailpush restore`: exported objects back into the audit store. */
export function addRestoreCommand(program: Command): void {
  program
    .command('restore')
    .argument('<from>', 'a folder, or the destination_conf of a job: s3://bucket/path?region=...')
    .description('load exported audit_logs_v2 objects back into the audit store; safe to repeat')
    .option('--account <id>', 'only events of this account')
    .option('--since <time>', 'only events of this time or later: 2026-05-01 or RFC 3339')
    .option('--before <time>', 'only events before this time')
    .option('--keep-until <when>', 'how long retention leaves them alone: 90d, or a time', '90d')
    .option('--dry-run', 'read and check everything, and store nothing')
    .option('--data <folder>', 'data folder (TRAILPUSH_DATA, default ./data)')
    .action(restore);
}

/** Exit code 1 when a line or an object was not restored. */
async function restore(from: string, options: RestoreOptions): Promise<void> {
  const { data, account } = options;
  const config = loadConfig(undefined, data === undefined ? {} : { '--data': data });
  const logger = createLogger({ level: 'warn', stream: process.stderr });
  const lifecycle = new Lifecycle({ clock: systemClock, logger });
  const base: Base = { config, clock: systemClock, logger, lifecycle, readiness: new Readiness() };
  const limits = {
    keepUntilMs: Date.parse(timeOf('--keep-until', options.keepUntil) ?? ''),
    sinceMicros: microsOf('--since', options.since, 0),
    beforeMicros: microsOf('--before', options.before, Number.MAX_SAFE_INTEGER),
  };
  const source = openSource(from, base);
  try {
    takeDataFolder(base);
    const { retention } = await openAuditStore(base);
    let shown = 0;
    const restorer = new Restorer({
      ...limits,
      retention,
      nowMs: systemClock.now(),
      ...(account === undefined ? {} : { accountId: account }),
      isDryRun: options.dryRun ?? false,
      onBad: (object, line, reason) => {
        shown += 1;
        if (shown > MAX_SHOWN_ERRORS) return;
        process.stderr.write(`${object}${line === 0 ? '' : `:${line}`}: not restored: ${reason}\n`);
      },
    });
    const objects = await restoreAll(source, restorer);
    if (objects === 0) {
      throw new ConfigError(
        'nothing is restored: no objects lie there; name the folder, or the destination_conf, that they were delivered to',
      );
    }
    report(restorer, { objects, isDryRun: options.dryRun ?? false, shown });
    process.exitCode = restorer.bad > 0 ? 1 : 0;
  } finally {
    source.close();
    await lifecycle.shutdown();
  }
}

function openSource(from: string, base: Base): ObjectSource {
  if (/^[a-z0-9]+:\/\//.test(from)) {
    const parsed = parseDestination(from, destinationPolicy(base.config));
    const source = parsed.openSource?.(base);
    if (source) return source;
    throw new ConfigError(
      `${parsed.kind}:// cannot be read again: restore from s3://, r2:// or a folder`,
    );
  }
  const found = statSync(from, { throwIfNoEntry: false });
  if (!found?.isDirectory()) throw new ConfigError(`there is no folder ${join(from)}`);
  return openFolder(from);
}

/** Resolves to the number of objects. */
async function restoreAll(source: ObjectSource, restorer: Restorer): Promise<number> {
  const bar = await openBar(source, restorer);
  let objects = 0;
  try {
    for await (const { name } of list(source)) {
      objects += 1;
      try {
        await restorer.restore(name, counted(source.read(name), bar, restorer));
      } catch (error) {
        throw unreadable(name, error);
      }
    }
  } finally {
    bar?.stop();
  }
  return objects;
}

async function* list(source: ObjectSource): ReturnType<ObjectSource['list']> {
  try {
    yield* source.list();
  } catch (error) {
    throw unreadable('the list of objects', error);
  }
}

function unreadable(name: string, error: unknown): unknown {
  if (error instanceof TrailpushError) return error;
  return new UnreadableError(
    `${name} cannot be read (${messageOf(error)}): run this again, what was stored by then is left out`,
  );
}

/** On a terminal alone, as the objects are listed once more for it. */
async function openBar(source: ObjectSource, restorer: Restorer): Promise<SingleBar | undefined> {
  if (!process.stderr.isTTY) return undefined;
  let totalBytes = 0;
  for await (const { bytes } of list(source)) totalBytes += bytes;
  const format = '{bar} {percentage}% | {stored} events | {eta_formatted} left';
  const bar = new SingleBar({ format, stream: process.stderr }, Presets.shades_classic);
  bar.start(totalBytes, 0, { stored: restorer.stored });
  return bar;
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  bar: SingleBar | undefined,
  restorer: Restorer,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    yield chunk;
    bar?.increment(chunk.length, { stored: restorer.stored });
  }
}

function report(
  restorer: Restorer,
  of: { objects: number; isDryRun: boolean; shown: number },
): void {
  const { stored, known, leftOut, bad, missing, cutTimes } = restorer;
  if (of.shown > MAX_SHOWN_ERRORS) {
    process.stderr.write(`... and ${of.shown - MAX_SHOWN_ERRORS} more\n`);
  }
  const verb = of.isDryRun ? 'would be restored unless known' : 'restored';
  const counts = [
    `${stored} events ${verb}`,
    ...(of.isDryRun ? [] : [`${known} known`]),
    `${leftOut} left out`,
    `${bad} bad`,
  ];
  process.stdout.write(`${counts.join(', ')}; ${of.objects} objects\n`);
  if (stored + known === 0) return;
  process.stdout.write(`exports never hold ${NEVER_EXPORTED}\n`);
  if (missing.size > 0) {
    process.stdout.write(`missing in some objects: ${[...missing].toSorted().join(', ')}\n`);
  }
  if (cutTimes > 0) {
    process.stdout.write(`${cutTimes} times have no microseconds, as their job wrote them\n`);
  }
}

function microsOf(option: string, text: string | undefined, byDefault: number): number {
  if (text === undefined) return byDefault;
  const isDate = /^\d{4}-\d\d-\d\d$/.test(text);
  const micros = parseRfc3339Micros(isDate ? `${text}T00:00:00Z` : text);
  if (micros !== undefined) return micros;
  throw new ConfigError(
    `${option} must be a date or a time such as 2026-05-01T00:00:00Z, but is ${JSON.stringify(text)}`,
  );
}
