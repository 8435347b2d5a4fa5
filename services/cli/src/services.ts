import { hkdfSync } from 'node:crypto';
import { flushCompileCache } from 'node:module';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { createApi, OutboxRelay, type OutboxRelayDeps } from '@trailpush/api';
import { createBatcher, Notifier, type Batcher } from '@trailpush/batcher';
import { ConfigError, messageOf, type Job, type RecordLog } from '@trailpush/core';
import { LineEncoder } from '@trailpush/datasets';
import {
  objectKey,
  openDestination,
  openWebhook,
  parseDestination,
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
  type Config,
  type ConfigFlags,
  type Metrics,
  type ProgramSecrets,
  type RootLogger,
} from '@trailpush/runtime';
import type { OpenAuditStore, Stores } from '@trailpush/stores';
import { openAuditStore, openIndexer, readProductCategories, startRetention } from './audit.ts';
import { destinationConfs } from './destination-confs.ts';
import { openDigestWriter } from './digest-writer.ts';
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

export type ServiceName = 'api' | 'batcher' | 'indexer';

/** Where a running program can be reached, for `trailpush produce` and `token` on the same data folder. */
export const ADDRESS_FILE = 'address';

interface World extends Base {
  readonly metrics: Metrics;
  readonly log: RecordLog;
  readonly stores: Stores;
  /** Undefined for services that have no use for it. */
  readonly audit: OpenAuditStore | undefined;
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
    const needsAudit = names.some((name) => name !== 'batcher');
    const audit = needsAudit ? await openAuditStore(base) : undefined;
    const log = await openLog(base);
    const events = await openEvents(base);
    const policy = destinationPolicy(config);
    const world = { ...base, metrics, log, stores, audit, secrets, events, policy };
    lifecycle.listen();
    const { outboxEvents, auditOutboxEvents } = metrics.serving;
    const relay = openRelay(world, { outbox: stores.outbox, waiting: outboxEvents });
    if (audit) openRelay(world, { outbox: audit.retention.outbox, waiting: auditOutboxEvents });
    const batcher = names.includes('batcher') ? openBatcher(world) : undefined;
    if (names.includes('batcher')) {
      openNotifier(world);
      openDigestWriter(world);
    }
    const indexer =
      names.includes('indexer') && audit ? openIndexer({ ...world, audit }) : undefined;
    // First the port: when it is taken, nothing has been claimed from others. And while the batcher
    // waits for what it needs, `/readyz` says so.
    const url = await startHttp({ ...world, relay }, names, logger);
    await batcher?.start();
    await indexer?.start();
    if (indexer && audit) startRetention({ ...world, audit });
    const { adminTokenFile } = secrets;
    logger.info({ url, services: names, adminTokenFile }, 'trailpush is running');
    // A process that is killed would not write it at its end.
    flushCompileCache();
  } catch (error) {
    await lifecycle.shutdown();
    throw error;
  }
}

function openBatcher(world: World): Batcher {
  const { config, clock, log, stores, events, metrics, policy, lifecycle, readiness } = world;
  const logger = world.logger.child({ part: 'batcher' });
  const batcher = createBatcher({
    log,
    jobs: stores.jobs,
    progress: stores.progress,
    jobHealth: stores.jobHealth,
    disableAfterMs: config.disableAfterMs,
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
  return batcher;
}

/** In every process: what one could not send, another one does. */
function openRelay(
  { log, events, config, clock, logger, lifecycle }: World,
  of: Pick<OutboxRelayDeps, 'outbox' | 'waiting'>,
): OutboxRelay {
  const relay = new OutboxRelay({
    ...of,
    log,
    encoder: lineEncoder(events, config),
    maxRecordBytes: config.maxRecordBytes,
    clock,
    logger: logger.child({ part: 'outbox' }),
  });
  relay.start();
  lifecycle.defer('outbox', 5000, () => relay.stop());
  return relay;
}

function lineEncoder({ encode }: Events, { maxRecordBytes }: Config): LineEncoder {
  return new LineEncoder({ encode, maxRecordBytes, clock: systemClock });
}

/** Tells the operator what must be known, where a webhook is set. */
function openNotifier({ config, stores, policy, clock, lifecycle, ...world }: World): void {
  if (!config.notifyWebhook) return;
  const logger = world.logger.child({ part: 'notifier' });
  const setting = 'TRAILPUSH_NOTIFY_WEBHOOK';
  const { post, close } = openWebhook(config.notifyWebhook, { setting, policy, logger });
  const { jobHealth: store } = stores;
  const notifier = new Notifier({ store, post, clock, logger, random: Math.random });
  notifier.start();
  lifecycle.defer('notifier', 2000, () => notifier.stop().finally(close));
}

async function startHttp(
  world: World & { readonly relay: OutboxRelay },
  names: readonly ServiceName[],
  logger: RootLogger,
): Promise<string> {
  const { config, log, stores, audit, secrets, events, metrics, policy, lifecycle, readiness } =
    world;
  const app = createHttpServer({ logger, metrics, readiness });
  if (names.includes('api') && audit) {
    await app.register(
      createApi({
        jobs: stores.jobs,
        audit: audit.store,
        retention: audit.retention,
        retentionMonths: config.auditRetentionMonths,
        secretKey: Buffer.from(secrets.secretKey.reveal(), 'base64'),
        productCategories: readProductCategories(config),
        log,
        datasets: events.datasets,
        destinations: destinationConfs({ policy, clock: world.clock, logger }),
        maxJobsPerAccount: MAX_JOBS_PER_ACCOUNT,
        encoder: lineEncoder(events, config),
        relay: world.relay,
        metrics: metrics.serving,
        maxRecordBytes: config.maxRecordBytes,
        adminToken: secrets.adminToken,
        tokens: stores.tokens,
        savedQueries: stores.savedQueries,
        replays: stores.replays,
        jobHealth: stores.jobHealth,
        deadLetters: stores.deadLetters,
        auditTrail: stores.auditTrail,
        tellReads: config.auditReads,
        digests: stores.digests,
        digestKeys: stores.digestKeys,
        openEntryReader: events.openEntryReader,
        clock: world.clock,
        relaxLimits: config.relaxLimits,
        requireOwnership: config.requireOwnership,
        challengeKey: challengeKey(secrets),
        rateLimit: config.apiRateLimit,
      }),
    );
  }
  lifecycle.defer('http', 5000, () => app.close());
  const url = await listen(app, config);
  // Who shares the data folder with this process finds it there; see `findRunning`.
  if (names.includes('api') && !(config.kafka && config.databaseUrl)) {
    writeFileSync(join(config.dataFolder, ADDRESS_FILE), `${url}\n`);
  }
  return url;
}

/** A key of its own for what is signed, made from the one that all processes share. */
function challengeKey({ secretKey }: ProgramSecrets): Uint8Array {
  const key = Buffer.from(secretKey.reveal(), 'base64');
  return new Uint8Array(hkdfSync('sha256', key, '', 'trailpush ownership challenge', 32));
}

async function listen(
  app: ReturnType<typeof createHttpServer>,
  { host, port }: Config,
): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new ConfigError(
      `cannot listen on ${host} port ${port} (${messageOf(error)}): ` +
        'choose another port (--port, PORT) or address (--host, TRAILPUSH_HOST)',
    );
  }
  const { port: chosenPort } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${chosenPort}`;
}

/** Logpush has four a zone; a self-hosted installation has its own idea of who may have how many. */
const MAX_JOBS_PER_ACCOUNT = 1000;
