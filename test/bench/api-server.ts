/**
 * Child process of `api.ts`: the API and a batcher in one process, 1,000 stored jobs of 100 accounts, one a
 * account enabled. Says on its first line where it is. From the message `feed` on it appends events; `count` is
 * answered with how many were delivered.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBatcher } from '@trailpush/batcher';
import { Secret, type Job } from '@trailpush/core';
import { datasets, WriterSchemas } from '@trailpush/datasets';
import { objectKey, openDestination, parseDestination } from '@trailpush/destinations';
import { createMetrics, systemClock as clock } from '@trailpush/runtime';
import { startApi } from '../kit/api-fixture.ts';
import { eventSource } from './events.ts';
import { logger, MAX_RECORD_BYTES } from './world.ts';

const ACCOUNTS = 100;
const JOBS = 1000;
const EVENTS_PER_SECOND = 10_000;
const FEEDS_PER_SECOND = 10;

const fileRoot = mkdtempSync(join(tmpdir(), 'trailpush-bench-api-'));
mkdirSync(join(fileRoot, 'out'));
const api = await startApi({ isUnchecked: true });
const { app, stores, log } = api;
const perFeed = EVENTS_PER_SECOND / FEEDS_PER_SECOND;
const source = eventSource({ events: perFeed, accounts: ACCOUNTS });
const records = Array.from({ length: perFeed }, (_, index) => source.encoded(index));

const offsets = new Map((await log.bounds()).map(({ partition, end }) => [partition, end]));
let jobId = 0;
for (let index = 0; index < JOBS; index++) {
  const enabled = index < ACCOUNTS;
  const conf = new Secret(`file://out/${index}/{DATE}`);
  const spec = {
    ...{ name: `job-${index}`, dataset: 'audit_logs_v2', enabled, destinationConf: conf },
    ...{ filter: '', outputOptions: null, maxUploadBytes: 0, maxUploadRecords: 0 },
    ...{ maxUploadIntervalSeconds: 5, frequency: 'high', kind: '', logpullOptions: null },
  };
  const start = enabled ? { topic: log.topic, offsets } : undefined;
  const job = await stores.jobs.create(source.accounts[index % ACCOUNTS] ?? '', spec, start);
  if (index === 0) jobId = job.id;
}

let delivered = 0;
const policy = { allowPrivate: [], fileRoot };
const batcher = createBatcher({
  ...{ log, jobs: stores.jobs, progress: stores.progress, jobHealth: stores.jobHealth },
  ...{ disableAfterMs: 0, objectKey, clock, logger },
  datasets: datasets(new WriterSchemas({})),
  openDestination: (job: Job) => {
    const place = parseDestination(job.spec.destinationConf.reveal(), policy);
    const destination = openDestination(place, { clock, logger });
    return {
      place,
      destination: {
        put: async (object, signal) => {
          const result = await destination.put(object, signal);
          if (result.verdict.kind === 'delivered') delivered += object.metadata.records;
          return result;
        },
        probe: (signal) => destination.probe(signal),
        close: () => destination.close(),
      },
    };
  },
  metrics: createMetrics(),
  memoryBudgetBytes: 128 * 1024 * 1024,
  maxRecordBytes: MAX_RECORD_BYTES,
  gzipLevel: 6,
  random: Math.random,
});
await batcher.start();
const url = await app.listen({ host: '127.0.0.1', port: 0 });

let feeding: NodeJS.Timeout | undefined;
process.on('message', (message: 'feed' | 'count' | 'end') => {
  if (message === 'count') process.send?.({ delivered });
  if (message === 'feed') {
    feeding = setInterval(() => void log.append(records), 1000 / FEEDS_PER_SECOND);
  }
  if (message === 'end') void end();
});

async function end(): Promise<void> {
  clearInterval(feeding);
  await batcher.stop();
  await api.close();
  rmSync(fileRoot, { recursive: true, force: true });
  process.disconnect();
}

process.send?.({ url, account: source.accounts[0], jobId });
