/**
 * Child process: a batcher that delivers a filled log, one job an account, and tells on its last line
 * what that cost. Arguments: run as JSON. Nothing else runs in the process, so its CPU time and its
 * largest resident memory are the batcher's.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createBatcher } from '@trailpush/batcher';
import { Secret, type Destination, type Job } from '@trailpush/core';
import { datasets, WriterSchemas } from '@trailpush/datasets';
import { objectKey, openDestination, parseCidrs, parseDestination } from '@trailpush/destinations';
import { createMetrics, systemClock as clock } from '@trailpush/runtime';
import { openSqliteStores } from '@trailpush/stores';
import { eventSource, type Load } from './events.ts';
import { logger, MAX_RECORD_BYTES, openBenchLog, type LogPlace } from './world.ts';

export interface Run {
  readonly load: Load;
  readonly place: LogPlace;
  readonly gzipLevel: number;
  /** `destination_conf` of every job. */
  readonly conf: string;
  readonly fileRoot: string;
  /** The live lane is at the end of the log already: the jobs are behind, and served by the catch-up lane. */
  readonly isBacklog?: boolean;
}

export interface RunResult {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly payloadBytes: number;
  readonly wireBytes: number;
  readonly objects: number;
  readonly peakResidentBytes: number;
}

const MEMORY_BUDGET_BYTES = 128 * 1024 * 1024;
const INTERVAL_SECONDS = 5;
const LOOK_EVERY_MS = 20;

const run = JSON.parse(process.argv[2] ?? '{}') as Run;
const { load } = run;
const log = await openBenchLog(run.place);
const file = join(run.place.folder, `state-${process.pid}.db`);
const stores = await openSqliteStores({ file, secretKey: randomBytes(32), clock, logger });

const bounds = await log.bounds();
const start = {
  topic: log.topic,
  offsets: new Map(bounds.map((of) => [of.partition, of.start])),
};
if (run.isBacklog) {
  for (const { partition, end } of bounds) {
    const { topic } = log;
    const claim = { topic, partition, owner: 'bench', heldEpoch: undefined, logStart: end };
    await stores.progress.claim(claim);
  }
}
for (const account of eventSource(load).accounts) {
  const spec = {
    name: 'bench',
    dataset: 'audit_logs_v2',
    enabled: true,
    destinationConf: new Secret(run.conf),
    filter: '',
    outputOptions: null,
    maxUploadBytes: 0,
    maxUploadRecords: 0,
    maxUploadIntervalSeconds: INTERVAL_SECONDS,
    frequency: 'high',
    kind: '',
    logpullOptions: null,
  };
  await stores.jobs.create(account, spec, start);
}

const policy = { allowPrivate: parseCidrs('127.0.0.0/8'), fileRoot: run.fileRoot };
let delivered = 0;
let wireBytes = 0;
let objects = 0;

/** Counts what the destination confirms. */
function counted(destination: Destination): Destination {
  return {
    put: async (object, signal) => {
      const result = await destination.put(object, signal);
      if (result.verdict.kind === 'delivered') {
        delivered += object.metadata.records;
        wireBytes += object.bodyBytes;
        objects++;
      }
      return result;
    },
    probe: (signal) => destination.probe(signal),
    close: () => destination.close(),
  };
}

const metrics = createMetrics();
const batcher = createBatcher({
  log,
  jobs: stores.jobs,
  progress: stores.progress,
  jobHealth: stores.jobHealth,
  disableAfterMs: 0,
  datasets: datasets(new WriterSchemas({})),
  openDestination: (job: Job) => {
    const place = parseDestination(job.spec.destinationConf.reveal(), policy);
    return { place, destination: counted(openDestination(place, { clock, logger })) };
  },
  objectKey,
  clock,
  logger,
  metrics,
  memoryBudgetBytes: MEMORY_BUDGET_BYTES,
  maxRecordBytes: MAX_RECORD_BYTES,
  gzipLevel: run.gzipLevel,
  random: Math.random,
});

const cpuBefore = process.cpuUsage();
const startedAtMs = performance.now();
await batcher.start();
while (delivered < load.events) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
const seconds = (performance.now() - startedAtMs) / 1000;
const cpu = process.cpuUsage(cpuBefore);
const raw = (await metrics.job.bytes.get()).values.filter(({ labels }) => labels.kind === 'raw');
const result: RunResult = {
  seconds,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  payloadBytes: raw.reduce((sum, { value }) => sum + value, 0),
  wireBytes,
  objects,
  peakResidentBytes: process.resourceUsage().maxRSS * 1024,
};
await batcher.stop();
await stores.close();
await log.close();
process.stdout.write(`${JSON.stringify(result)}\n`);
