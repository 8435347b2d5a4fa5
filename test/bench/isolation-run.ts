/**
 * Child process: one run of the isolation bench. A batcher with a thousand jobs delivers events as they are
 * produced; with `dead`, half of the jobs have destinations that do not work until the end. Tells on its last line what
 * the others had of it. Arguments: run as JSON.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createBatcher } from '@trailpush/batcher';
import { Secret, type Destination, type Job } from '@trailpush/core';
import { datasets, WriterSchemas } from '@trailpush/datasets';
import { objectKey, openDestination, parseCidrs, parseDestination } from '@trailpush/destinations';
import { createMetrics, systemClock as clock } from '@trailpush/runtime';
import { openSqliteStores } from '@trailpush/stores';
import { eventSource } from './events.ts';
import type { Ports } from './isolation-receiver.ts';
import { logger, MAX_RECORD_BYTES, openBenchLog } from './world.ts';

export interface IsolationRun {
  readonly folder: string;
  readonly jobs: number;
  readonly dead: boolean;
  readonly seconds: number;
  readonly eventsPerSecond: number;
}

export interface IsolationResult {
  /** Of the events of the first half of the jobs, from append to confirmation. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly events: number;
  readonly peakResidentBytes: number;
  readonly cpuSeconds: number;
  /** From healing until everything was delivered; null when that took too long. */
  readonly healedAfterSeconds: number | null;
}

const MEMORY_BUDGET_BYTES = 128 * 1024 * 1024;
const INTERVAL_SECONDS = 5;
const TICK_MS = 100;
/** Until every job has had its first interval. */
const WARM_UP_MS = 15_000;
const HEAL_WITHIN_MS = 900_000;

const run = JSON.parse(process.argv[2] ?? '{}') as IsolationRun;
const receiver = fork(join(import.meta.dirname, 'isolation-receiver.ts'), { execArgv: [] });
const [ports] = (await once(receiver, 'message')) as [Ports];
const log = await openBenchLog({ folder: run.folder, brokers: [], topic: 'audit.events' });
const file = join(run.folder, 'state.db');
const stores = await openSqliteStores({ file, secretKey: randomBytes(32), clock, logger });
const source = eventSource({ events: 0, accounts: run.jobs });
const firstDead = run.jobs / 2;

/** Where the n-th job delivers to: of the dead ones a third each answers 503, never, and not at all. */
function confOf(index: number): string {
  if (!run.dead || index < firstDead) return `http://127.0.0.1:${ports.healthy}/healthy/${index}`;
  const way = index % 3;
  if (way === 0) return `http://127.0.0.1:${ports.closed}/closed/${index}`;
  return `http://127.0.0.1:${ports.failing}/${way === 1 ? 'failing' : 'silent'}/${index}`;
}

/** When the events of a job were appended that are not delivered yet, the oldest first. */
const waiting = new Map<number, number[]>();
const jobOf = new Map<string, number>();
const isHealthy = new Set<number>();
const start = { topic: log.topic, offsets: new Map<number, number>() };
for (const { partition, end } of await log.bounds()) start.offsets.set(partition, end);
for (const [index, account] of source.accounts.entries()) {
  const spec = {
    ...{ name: 'bench', dataset: 'audit_logs_v2', enabled: true, filter: '', outputOptions: null },
    destinationConf: new Secret(confOf(index)),
    ...{ maxUploadBytes: 0, maxUploadRecords: 0, maxUploadIntervalSeconds: INTERVAL_SECONDS },
    ...{ frequency: 'high', kind: '', logpullOptions: null },
  };
  const { id } = await stores.jobs.create(account, spec, start);
  jobOf.set(account, id);
  waiting.set(id, []);
  if (index < firstDead) isHealthy.add(id);
}

const delaysMs: number[] = [];
let countsFromMs = Number.POSITIVE_INFINITY;

function timed(destination: Destination): Destination {
  return {
    put: async (object, signal) => {
      const result = await destination.put(object, signal);
      if (result.verdict.kind === 'delivered') note(object.metadata);
      return result;
    },
    probe: (signal) => destination.probe(signal),
    close: () => destination.close(),
  };
}

function note({ jobId, records }: { jobId: number; records: number }): void {
  const nowMs = performance.now();
  for (const atMs of waiting.get(jobId)?.splice(0, records) ?? []) {
    if (isHealthy.has(jobId) && atMs >= countsFromMs) delaysMs.push(nowMs - atMs);
  }
}

const policy = { allowPrivate: parseCidrs('127.0.0.0/8'), fileRoot: undefined };
const batcher = createBatcher({
  log,
  jobs: stores.jobs,
  progress: stores.progress,
  jobHealth: stores.jobHealth,
  disableAfterMs: 0,
  datasets: datasets(new WriterSchemas({})),
  openDestination: (job: Job) => {
    const place = parseDestination(job.spec.destinationConf.reveal(), policy);
    return { place, destination: timed(openDestination(place, { clock, logger })) };
  },
  objectKey,
  clock,
  logger: logger.child({}, { level: 'silent' }),
  metrics: createMetrics(),
  memoryBudgetBytes: MEMORY_BUDGET_BYTES,
  maxRecordBytes: MAX_RECORD_BYTES,
  gzipLevel: 6,
  random: Math.random,
});
await batcher.start();
const cpuBefore = process.cpuUsage();
const startedMs = performance.now();
countsFromMs = startedMs + WARM_UP_MS;
const untilMs = startedMs + WARM_UP_MS + run.seconds * 1000;
let produced = 0;
while (performance.now() < untilMs) {
  const due = Math.floor(((performance.now() - startedMs) / 1000) * run.eventsPerSecond) - produced;
  const records = Array.from({ length: due }, (_, index) => source.encoded(produced + index));
  produced += due;
  await log.append(records);
  const atMs = performance.now();
  for (const { key } of records) waiting.get(jobOf.get(key) ?? 0)?.push(atMs);
  await clock.sleep(TICK_MS);
}
const cpu = process.cpuUsage(cpuBefore);

receiver.send('heal');
const healedMs = performance.now();
const isComplete = () => [...waiting.values()].every((times) => times.length === 0);
while (!isComplete() && performance.now() < healedMs + HEAL_WITHIN_MS) await clock.sleep(TICK_MS);
const healedAfterSeconds = isComplete() ? (performance.now() - healedMs) / 1000 : null;

delaysMs.sort((a, b) => a - b);
const quantile = (share: number) => delaysMs[Math.floor(delaysMs.length * share)] ?? Number.NaN;
const result: IsolationResult = {
  medianMs: quantile(0.5),
  p99Ms: quantile(0.99),
  events: delaysMs.length,
  peakResidentBytes: process.resourceUsage().maxRSS * 1024,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  healedAfterSeconds,
};
await batcher.stop();
await stores.close();
await log.close();
receiver.disconnect();
process.stdout.write(`${JSON.stringify(result)}\n`);
