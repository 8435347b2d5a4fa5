import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StoreUnavailableError, type AuditStore, type RecordLog } from '@trailpush/core';
import { ensureTopic, openKafkaLog } from '@trailpush/log';
import { systemClock as clock } from '@trailpush/runtime';
import { openPostgresAuditStore } from '@trailpush/stores';
import { afterAll, describe, expect, it } from 'vitest';

import { account } from '../kit/audit-entry.ts';
import { EventSource } from '../kit/event-source.ts';
import { startKafka } from '../kit/kafka/index.ts';
import { createTestDatabase, withClient } from '../kit/postgres/ready.ts';
import { startPostgres } from '../kit/postgres.ts';
import { createRecordingLogger } from '../kit/recording-logger.ts';
import { eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: two indexers on Kafka store every event once, and a collector that polls gets every one once, while
 * PostgreSQL and an indexer are killed. Method: known events, appended while that happens.
 */
const EVENTS = 12_000;
const BATCH = 500;
const PARTITIONS = 4;
const ACCOUNTS = ['acme', 'globex', 'initech'];
const source = new EventSource({ accounts: ACCOUNTS });

const kafka = await startKafka();
const postgres = await startPostgres({ disposable: true });
const missing = kafka.reason ?? ('unavailable' in postgres ? postgres.unavailable : undefined);

afterAll(async () => {
  await kafka.kafka?.stop();
  if (!('unavailable' in postgres)) await postgres.stop();
});

describe.skipIf(missing !== undefined)(
  `two indexers on Kafka${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    it(
      'store everything once, and a collector gets it once, through kills',
      { timeout: 240_000 },
      async () => {
        if (!kafka.kafka || 'unavailable' in postgres) throw new Error(missing);
        const folder = mkdtempSync(join(tmpdir(), 'trailpush-indexer-'));
        const { url } = await createTestDatabase(postgres.url);
        const topic = `indexer-${randomBytes(4).toString('hex')}`;
        const { brokers } = kafka.kafka;
        const log = await openLog(brokers, topic);
        const environment = {
          ...{ KAFKA_BROKERS: brokers.join(','), KAFKA_TOPIC: topic, DATABASE_URL: url },
          TRAILPUSH_SECRET_KEY: randomBytes(32).toString('base64'),
        };
        const start = (name: string) =>
          Program.start({ command: 'indexer', dataFolder: join(folder, name), environment });
        const [one, two] = [await start('one'), await start('two')];
        const { logger } = createRecordingLogger();
        const opened = await openPostgresAuditStore({ url, clock, logger });
        const collectors = ACCOUNTS.map((id) => new Collector(opened.store, id));
        const count = () => collectors.reduce((sum, { ids }) => sum + ids.length, 0);
        const poll = async () => {
          for (const collector of collectors) await collector.poll();
        };

        const appending = append(log);
        await eventually('some are collected', 60_000, async () => {
          await poll();
          return count() > BATCH;
        });
        await postgres.kill();
        await poll();
        await one.kill();
        await postgres.restart();
        one.launch();
        await two.kill();
        two.launch();
        await appending;
        await eventually('all are collected', 120_000, async () => {
          await poll();
          return count() >= EVENTS;
        });
        await poll();
        const ids = collectors.flatMap((collector) => collector.ids);
        expect(ids.map((id) => source.indexOf(id)).toSorted((a, b) => a! - b!)).toEqual(
          Array.from({ length: EVENTS }, (_, index) => index),
        );
        const rows = await withClient(url, async (client) => {
          const sql = 'select count(*)::int as count, count(distinct id)::int as ids';
          return (await client.query(`${sql} from audit_events`)).rows as unknown[];
        });
        expect(rows).toEqual([{ count: EVENTS, ids: EVENTS }]);

        await Promise.all([one.kill(), two.kill(), log.close(), opened.close()]);
        rmSync(folder, { recursive: true, force: true });
      },
    );
  },
);

async function openLog(brokers: readonly string[], topic: string): Promise<RecordLog> {
  const { logger } = createRecordingLogger();
  const address = { brokers, clientId: 'trailpush-test', ssl: false, sasl: undefined };
  const options = { ...address, topic, clock, logger, maxRecordBytes: 1024 * 1024 };
  await ensureTopic({ ...options, partitions: PARTITIONS, replicationFactor: 1 });
  return openKafkaLog(options);
}

async function append(log: RecordLog): Promise<void> {
  for (let at = 0; at < EVENTS; at += BATCH) {
    await log.append(Array.from({ length: BATCH }, (_, index) => source.encoded(at + index)));
  }
}

/** Follows the log of an account. */
class Collector {
  readonly ids: string[] = [];
  readonly #store: AuditStore;
  readonly #account: string;
  #after = 0;

  constructor(store: AuditStore, id: string) {
    this.#store = store;
    this.#account = id;
  }

  /** One page, if the store answers. */
  async poll(): Promise<void> {
    try {
      const { entries, next } = await this.#store.follow({
        ...{ tenant: account(this.#account), after: this.#after, limit: 1000, filters: [] },
        ...{ sinceMicros: 0, beforeMicros: Number.MAX_SAFE_INTEGER },
      });
      this.ids.push(...entries.map(({ id }) => id));
      this.#after = next;
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }
}
