import { InvalidArgumentError, type Command } from 'commander';
import { loadConfig, systemClock } from '@trailpush/runtime';
import { ApiClient } from './api-client.ts';

interface Shown {
  readonly id: number;
  readonly state: 'running' | 'completed' | 'cancelled';
  readonly destination: string;
  readonly progress: number;
  readonly records: number;
  readonly objects: number;
  readonly error_message: string | null;
}

interface OffsetRange {
  readonly partition: number;
  readonly first: number;
  readonly last: number;
}

interface Counted {
  readonly complete: boolean;
  readonly ranges: readonly (OffsetRange & { readonly next: number })[];
  readonly examined: number;
  readonly records: number;
  readonly undecodable: number;
}

interface Common {
  readonly account: string;
  readonly url?: string;
  readonly data?: string;
}

interface StartOptions extends Common {
  readonly since?: string;
  readonly before?: string;
  readonly offsets?: readonly OffsetRange[];
  readonly destination?: string;
  readonly maxRecordsPerSecond?: number;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
}

const LOOK_EVERY_MS = 1000;

/** `trailpush replay JOB ...` and its `list`, `show` and `cancel`. */
export function addReplayCommands(program: Command): void {
  const replay = program
    .command('replay')
    .description('deliver an old range of a job once more, below <path>/replay-<id>/');
  const common = (command: Command) =>
    command
      .requiredOption('--account <id>', 'the account of the job')
      .option('--url <url>', 'where the API is (default: the program of the data folder)')
      .option('--data <folder>', 'data folder (TRAILPUSH_DATA, default ./data)');
  common(
    replay
      .command('start', { isDefault: true })
      .argument('<job>', 'id of the job', wholeNumber)
      .description('start a replay, for times or for offsets')
      .option('--since <time>', 'events that the log took at this time or later')
      .option('--before <time>', 'and before this time (default: now)')
      .option(
        '--offsets <p:first-last...>',
        'offsets of partitions instead, such as 0:10-20',
        range,
      )
      .option('--destination <conf>', 'another destination_conf; - reads it from standard input')
      .option('--max-records-per-second <n>', 'hold it back to this pace', wholeNumber)
      .option('--dry-run', 'count what would be delivered')
      .option('--wait', 'wait until it has ended; exit code 1 if it was cancelled'),
  ).action(startReplay);
  common(
    replay
      .command('list')
      .argument('<job>', 'id of the job', wholeNumber)
      .description('the replays of a job, the newest first'),
  ).action(async (job: number, options: Common) => {
    const replays = (await call(options, 'GET', job)) as readonly Shown[];
    process.stdout.write(replays.map(line).join('') || 'no replays\n');
  });
  for (const [name, method, description] of [
    ['show', 'GET', 'how far a replay is'],
    ['cancel', 'DELETE', 'end a replay where it is; what was delivered stays'],
  ] as const) {
    common(
      replay
        .command(name)
        .argument('<job>', 'id of the job', wholeNumber)
        .argument('<replay>', 'id of the replay', wholeNumber)
        .description(description),
    ).action(async (job: number, id: number, options: Common) => {
      process.stdout.write(line((await call(options, method, job, `/${id}`)) as Shown));
    });
  }
}

async function startReplay(job: number, options: StartOptions): Promise<void> {
  const { since, before, offsets, destination, maxRecordsPerSecond } = options;
  const order = {
    ...(since === undefined ? {} : { since }),
    ...(before === undefined ? {} : { before }),
    ...(offsets === undefined ? {} : { offsets }),
    ...(destination === undefined ? {} : { destination_conf: await readConf(destination) }),
    ...(maxRecordsPerSecond === undefined ? {} : { max_records_per_second: maxRecordsPerSecond }),
  };
  if (options.dryRun === true) {
    await count(job, options, order);
    return;
  }
  let replay = (await call(options, 'POST', job, '', order)) as Shown;
  process.stdout.write(line(replay));
  if (options.wait !== true) return;
  while (replay.state === 'running') {
    await systemClock.sleep(LOOK_EVERY_MS);
    replay = (await call(options, 'GET', job, `/${replay.id}`)) as Shown;
    process.stderr.write(line(replay));
  }
  process.stdout.write(line(replay));
  process.exitCode = replay.state === 'completed' ? 0 : 1;
}

/** The API counts for some seconds at a time: it is asked again for the rest. */
async function count(job: number, options: Common, order: object): Promise<void> {
  let [examined, records, undecodable] = [0, 0, 0];
  let rest: object = order;
  for (;;) {
    const body = { ...rest, dry_run: true };
    const counted = (await call(options, 'POST', job, '', body)) as Counted;
    examined += counted.examined;
    records += counted.records;
    undecodable += counted.undecodable;
    if (counted.complete) break;
    process.stderr.write(`counting: ${examined} records examined\n`);
    const offsets = counted.ranges
      .filter(({ next, last }) => next <= last)
      .map(({ partition, next, last }) => ({ partition, first: next, last }));
    rest = { offsets };
  }
  const bad = undecodable === 0 ? '' : `, and set ${undecodable} aside that cannot be decoded`;
  process.stdout.write(
    `a replay would deliver ${records} events${bad}; ${examined} records of the log were examined\n`,
  );
}

async function call(
  options: Common,
  method: 'GET' | 'POST' | 'DELETE',
  job: number,
  path = '',
  body?: object,
): Promise<unknown> {
  const { url, account, data } = options;
  const config = loadConfig(undefined, data === undefined ? {} : { '--data': data });
  const api = await ApiClient.find(config, url);
  const base = `/client/v4/accounts/${encodeURIComponent(account)}/logpush/jobs/${job}/replay`;
  const { result, notices } = await api.call(method, base + path, body);
  for (const notice of notices) process.stderr.write(`note: ${notice}\n`);
  return result;
}

function line({
  id,
  state,
  destination,
  progress,
  records,
  objects,
  error_message,
}: Shown): string {
  const done = `${(progress * 100).toFixed(1)} %, ${records} events in ${objects} objects`;
  const error = error_message === null ? '' : `; its destination fails: ${error_message}`;
  return `replay ${id} to ${destination}: ${state}, ${done}${error}\n`;
}

async function readConf(conf: string): Promise<string> {
  if (conf !== '-') return conf;
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text.trim();
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

function range(text: string, before: readonly OffsetRange[] = []): readonly OffsetRange[] {
  const [, partition, first, last] = /^(\d{1,9}):(\d{1,15})-(\d{1,15})$/.exec(text) ?? [];
  if (partition === undefined) {
    throw new InvalidArgumentError('It must be PARTITION:FIRST-LAST, such as 0:10-20.');
  }
  return [...before, { partition: Number(partition), first: Number(first), last: Number(last) }];
}
