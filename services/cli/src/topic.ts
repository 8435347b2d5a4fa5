import { Option, type Command } from 'commander';
import { ConfigError, type PartitionBounds, type StoredTopic } from '@trailpush/core';
import { findCut } from '@trailpush/log';
import { createLogger, Lifecycle, loadConfig, Readiness, systemClock } from '@trailpush/runtime';
import { openLog, openSecrets, openStores, takeDataFolder, type Base } from './world.ts';

interface Options {
  readonly data?: string;
  readonly from: 'start' | 'end';
}

/** One partition as it is, and what is wrong with it, if anything. */
interface Finding {
  readonly stored: StoredTopic['partitions'][number];
  readonly bounds: PartitionBounds | undefined;
  readonly cut: string | undefined;
}

/** `trailpush topic check | accept`. */
export function addTopicCommands(program: Command): void {
  const topic = program
    .command('topic')
    .description('a topic that was made anew, or has lost its end: its partitions are stopped');
  const data = ['--data <folder>', 'data folder (TRAILPUSH_DATA, default ./data)'] as const;
  topic
    .command('check')
    .description('compare the log with what was read of it; exit code 1 when they differ')
    .option(...data)
    .action((options: Options) => run(options, false));
  topic
    .command('accept')
    .description('start the partitions that differ anew, under the next incarnation')
    .option(...data)
    .addOption(
      new Option(
        '--from <place>',
        'where to start them: at the start nothing is lost, and what a cut has left may come twice',
      )
        .choices(['start', 'end'])
        .default('start'),
    )
    .action((options: Options) => run(options, true));
}

async function run({ data, from }: Options, accept: boolean): Promise<void> {
  const config = loadConfig(undefined, data === undefined ? {} : { '--data': data });
  const logger = createLogger({ level: 'warn', stream: process.stderr });
  const lifecycle = new Lifecycle({ clock: systemClock, logger });
  const base: Base = { config, clock: systemClock, logger, lifecycle, readiness: new Readiness() };
  try {
    takeDataFolder(base);
    const stores = await openStores(base, await openSecrets(base));
    const log = await openLog(base);
    const stored = await stores.topics.read(log.topic);
    if (!stored) throw new ConfigError(`nothing was ever read of the topic ${log.topic}`);
    const bounds = await log.bounds();
    const findings = await Promise.all(
      stored.partitions.map(async (partition): Promise<Finding> => {
        const held = bounds.find((of) => of.partition === partition.partition);
        const cut = held ? await findCut(log, partition, held) : 'the log has no such partition';
        return { stored: partition, bounds: held, cut };
      }),
    );
    process.stdout.write(`topic ${log.topic}, incarnation ${stored.incarnation}\n`);
    process.stdout.write(findings.map(line).join(''));
    const wrong = findings.flatMap(({ bounds: held, cut }) =>
      held && cut !== undefined ? [{ partition: held.partition, from: held[from] }] : [],
    );
    if (!accept) process.exitCode = findings.some(({ cut }) => cut !== undefined) ? 1 : 0;
    else if (wrong.length === 0) process.stdout.write('nothing to accept\n');
    else await acceptTopic(stores.topics, log.topic, wrong);
  } finally {
    await lifecycle.shutdown();
  }
}

async function acceptTopic(
  topics: Awaited<ReturnType<typeof openStores>>['topics'],
  topic: string,
  partitions: readonly { partition: number; from: number }[],
): Promise<void> {
  const { incarnation, gaps, droppedPlans, cancelledReplays } = await topics.accept(
    topic,
    partitions,
  );
  const starts = partitions.map(({ partition, from }) => `${partition} from ${from}`).join(', ');
  process.stdout.write(
    `accepted: incarnation ${incarnation}; starting anew: ${starts}; ${gaps} gaps were recorded, ` +
      `${droppedPlans} plans dropped and ${cancelledReplays} replays cancelled; ` +
      'running batchers take them up within a minute\n',
  );
}

function line({ stored, bounds, cut }: Finding): string {
  const { partition, lastRead, liveFrom } = stored;
  const read = lastRead
    ? `read up to ${lastRead.offset} of ${new Date(lastRead.timestampMs).toISOString()}`
    : `to be read from ${liveFrom}`;
  return `partition ${partition}: ${read}; the log holds ${held(bounds)}: ${cut ?? 'as it was'}\n`;
}

function held(bounds: PartitionBounds | undefined): string {
  if (!bounds || bounds.start === bounds.end) return 'nothing';
  return `${bounds.start} to ${bounds.end - 1}`;
}
