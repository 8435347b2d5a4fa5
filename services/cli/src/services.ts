import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { createApi } from '@trailpush/api';
import { createBatcher } from '@trailpush/batcher';
import type { Job, RecordLog } from '@trailpush/core';
import { LineEncoder } from '@trailpush/datasets';
import {
  objectKey,
  openDestination,
  parseDestination,
  redactConf,
  restoreConf,
  type DestinationPolicy,
} from '@trailpush/destinations';
import {
  createHttpServer,
  createLogger,
  createMetrics,
  Lifecycle,
  loadConfig,
  Readiness,
  systemClock,
  type ConfigFlags,
  type Metrics,
  type ProgramSecrets,
  type RootLogger,
} from '@trailpush/runtime';
import type { Stores } from '@trailpush/stores';
import {
  destinationPolicy,
  openEvents,
  openLog,
  openSecrets,
  openStores,
  takeDataFolder,
  type Base,
  type Events,
} from './world.ts';

export type ServiceName = 'api' | 'batcher';

/** Where a running program can be reached, for `trailpush produce` on the same data folder. */
export const ADDRESS_FILE = 'address';

interface World extends Base {
  readonly metrics: Metrics;
  readonly log: RecordLog;
  readonly stores: Stores;
  readonly secrets: ProgramSecrets;
  readonly events: Events;
  readonly policy: DestinationPolicy;
}

/**
 * Runs services until a signal ends them.
 * @throws ConfigError and other errors with one line for the user, before anything runs.
 */
export async function runServices(
  names: readonly ServiceName[],
  flags: ConfigFlags,
): Promise<void> {
  const config = loadConfig(undefined, flags);
  const logger: RootLogger = createLogger({ level: config.logLevel, stream: process.stdout });
  const lifecycle = new Lifecycle({ clock: systemClock, logger });
  const readiness = new Readiness();
  const base: Base = { config, clock: systemClock, logger, lifecycle, readiness };
  const metrics = createMetrics();
  readiness.add('process', () => (lifecycle.isShuttingDown ? 'it is shutting down' : undefined));
  try {
    takeDataFolder(base);
    const secrets = await openSecrets(base);
    const stores = await openStores(base, secrets);
    const log = await openLog(base);
    const events = await openEvents(base);
    const policy = destinationPolicy(config);
    const world = { ...base, metrics, log, stores, secrets, events, policy };
    lifecycle.listen();
    if (names.includes('batcher')) await startBatcher(world);
    await startHttp(world, names, logger);
  } catch (error) {
    await lifecycle.shutdown();
    throw error;
  }
}

async function startBatcher(world: World): Promise<void> {
  const { config, clock, log, stores, events, metrics, policy, lifecycle, readiness } = world;
  const logger = world.logger.child({ part: 'batcher' });
  const batcher = createBatcher({
    log,
    jobs: stores.jobs,
    progress: stores.progress,
    datasets: events.datasets,
    openDestination: (job: Job) => {
      const place = parseDestination(job.spec.destinationConf.reveal(), policy);
      return { place, destination: openDestination(place, { clock, logger }) };
    },
    objectKey,
    clock,
    logger,
    metrics,
    memoryBudgetBytes: config.memoryBudgetBytes,
    maxRecordBytes: config.maxRecordBytes,
    gzipLevel: config.gzipLevel,
    random: Math.random,
  });
  lifecycle.defer('batcher', 20_000, () => batcher.stop());
  readiness.add('batcher', () => batcher.health());
  await batcher.start();
}

async function startHttp(
  world: World,
  names: readonly ServiceName[],
  logger: RootLogger,
): Promise<void> {
  const { config, log, stores, secrets, events, metrics, policy, lifecycle, readiness } = world;
  const app = createHttpServer({ logger, metrics, readiness });
  if (names.includes('api')) {
    await app.register(
      createApi({
        jobs: stores.jobs,
        log,
        datasets: events.datasets,
        destinations: {
          parse: (conf) => parseDestination(conf, policy),
          redact: redactConf,
          restore: restoreConf,
        },
        maxJobsPerAccount: MAX_JOBS_PER_ACCOUNT,
        encoder: new LineEncoder({
          encode: events.encode,
          maxRecordBytes: config.maxRecordBytes,
          clock: world.clock,
        }),
        metrics: metrics.serving,
        maxRecordBytes: config.maxRecordBytes,
        adminToken: secrets.adminToken,
        relaxLimits: config.relaxLimits,
      }),
    );
  }
  lifecycle.defer('http', 5000, () => app.close());
  await app.listen({ host: config.host, port: config.port });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  // Who shares the data folder with this process finds it there; see `produce`.
  if (names.includes('api') && !config.kafka) {
    writeFileSync(join(config.dataFolder, ADDRESS_FILE), `${url}\n`);
  }
  logger.info(
    { url, services: names, adminTokenFile: secrets.adminTokenFile },
    'trailpush is running',
  );
}

/** Logpush has four a zone; a self-hosted installation has its own idea of who may have how many. */
const MAX_JOBS_PER_ACCOUNT = 1000;
