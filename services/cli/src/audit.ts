import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_PRODUCT_CATEGORIES, parseProductCategories } from '@trailpush/api';
import { ConfigError, messageOf, type RecordLog } from '@trailpush/core';
import { Indexer, Retention } from '@trailpush/indexer';
import type { Config, Metrics } from '@trailpush/runtime';
import {
  openPostgresAuditStore,
  openSqliteAuditStore,
  type OpenAuditStore,
} from '@trailpush/stores';
import type { Base, Events } from './world.ts';

/** Beside jobs and progress in PostgreSQL, else a file of its own in the data folder; its events perhaps in ClickHouse. */
export async function openAuditStore(base: Base): Promise<OpenAuditStore> {
  const { config, clock, lifecycle, readiness } = base;
  const logger = base.logger.child({ part: 'audit store' });
  const { databaseUrl, clickhouseUrl } = config;
  const opened = databaseUrl
    ? await openPostgresAuditStore({
        ...{ url: databaseUrl, replicaUrl: config.auditReplicaUrl, clickhouseUrl, clock, logger },
      })
    : await openSqliteAuditStore({
        ...{ file: join(config.dataFolder, 'audit.db'), clickhouseUrl, clock },
      });
  lifecycle.defer('audit store', 5000, () => opened.close());
  readiness.add('audit store', () => opened.health());
  return opened;
}

export function openIndexer(
  world: Base & { metrics: Metrics; log: RecordLog; audit: OpenAuditStore; events: Events },
): Indexer {
  const { config, clock, log, audit, events, metrics, lifecycle, readiness } = world;
  const indexer = new Indexer({
    log,
    store: audit.store,
    retention: audit.retention,
    retentionMonths: config.auditRetentionMonths,
    openReader: events.openEntryReader,
    clock,
    logger: world.logger.child({ part: 'indexer' }),
    metrics,
    maxRecordBytes: config.maxRecordBytes,
  });
  lifecycle.defer('indexer', 12_000, () => indexer.stop());
  readiness.add('indexer', () => indexer.health());
  return indexer;
}

/** In every indexer; one at a time does it. */
export function startRetention(
  world: Base & { metrics: Metrics; audit: Pick<OpenAuditStore, 'retention'> },
): void {
  const { config, clock, audit, metrics, lifecycle } = world;
  const retention = new Retention({
    retention: audit.retention,
    retentionMonths: config.auditRetentionMonths,
    clock,
    logger: world.logger.child({ part: 'retention' }),
    metrics,
    owner: randomUUID(),
  });
  retention.start();
  lifecycle.defer('retention', 20_000, () => retention.stop());
}

/** What `product_category` stands for. @throws ConfigError */
export function readProductCategories({ productCategoriesFile: file }: Config) {
  if (file === undefined) return DEFAULT_PRODUCT_CATEGORIES;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`TRAILPUSH_PRODUCT_CATEGORIES cannot be read: ${messageOf(error)}`);
  }
  return parseProductCategories(text, `TRAILPUSH_PRODUCT_CATEGORIES (${file})`);
}
