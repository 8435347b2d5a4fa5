import type { AuditStore } from '@trailpush/core';
import { EntryReader, WriterSchemas } from '@trailpush/datasets';
import { Indexer } from '@trailpush/indexer';
import { createMetrics, systemClock as clock } from '@trailpush/runtime';

import { GeneratedLog, type AuditWorld } from './audit-world.ts';
import { childCpuSeconds } from './child-cpu.ts';
import { logger, MAX_RECORD_BYTES } from './world.ts';

const LOOK_MS = 250;
/** So many records use nearly all templates, which are made at their first use. */
const WARM_RECORDS = 100_000;
const REPORT_MS = 10_000;

export interface Filled {
  readonly perSecond: number;
  /** Of this process, which also makes the events; and of the database, where it runs below this process. */
  readonly cpuSeconds: number;
  readonly serverCpuSeconds: number;
  /** Events that were not stored by a run before. */
  readonly events: number;
}

/** Stores the events of a world with the real indexer, from where a run before has ended. */
export async function fillAuditStore(store: AuditStore, world: AuditWorld): Promise<Filled> {
  const log = new GeneratedLog(world);
  const schemas = new WriterSchemas({});
  const indexer = new Indexer({
    ...{ log, store, clock, logger, maxRecordBytes: MAX_RECORD_BYTES },
    openReader: () => new EntryReader(schemas),
    metrics: createMetrics(),
    // What arrives in time is not asked about.
    retention: { findExpired: async () => new Set() },
    retentionMonths: 0,
  });
  // A log would have made its records before.
  for (let index = 0; index < WARM_RECORDS; index += 1) world.source(index).encoded(index);
  const before = await countStored(store, log);
  const startedMs = clock.monotonic();
  const cpuBefore = process.cpuUsage();
  const serverBefore = childCpuSeconds();
  await indexer.start();
  let reportedMs = startedMs;
  let reported = before;
  for (let stored = before; stored < world.events; stored = await countStored(store, log)) {
    await clock.sleep(LOOK_MS);
    const nowMs = clock.monotonic();
    if (nowMs - reportedMs < REPORT_MS) continue;
    const perSecond = Math.round((stored - reported) / ((nowMs - reportedMs) / 1000));
    const share = ((100 * stored) / world.events).toFixed(1);
    process.stderr.write(`bench: ${stored} events, ${share} %, now ${perSecond}/s\n`);
    [reportedMs, reported] = [nowMs, stored];
  }
  const seconds = (clock.monotonic() - startedMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  await indexer.stop();
  return {
    perSecond: (world.events - before) / seconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    serverCpuSeconds: childCpuSeconds() - serverBefore,
    events: world.events - before,
  };
}

/** By the positions of the indexer. */
async function countStored(store: AuditStore, log: GeneratedLog): Promise<number> {
  const partitions = await log.bounds();
  const positions = await Promise.all(
    partitions.map(({ partition }) => store.position(log.topic, partition)),
  );
  return positions.reduce((sum, position) => sum + (position?.next ?? 0), 0);
}
