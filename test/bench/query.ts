/**
 * `npm run bench:query [-- --events N] [--only postgres|embedded]`: fills an audit store as the indexer does, and
 * asks it what the query API asks. Prints one table a store; a benchmark reports, it does not judge.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { AuditField, AuditFilter, AuditStore, Tenant } from '@trailpush/core';
import { EntryReader, WriterSchemas } from '@trailpush/datasets';
import { systemClock as clock } from '@trailpush/runtime';
import { openPostgresAuditStore, openSqliteAuditStore } from '@trailpush/stores';
import { account } from '../kit/audit-entry.ts';
import { EventSource } from '../kit/event-source.ts';
import { startPostgres } from '../kit/postgres.ts';
import { SeededRandom } from '../kit/random.ts';
import { logger } from './world.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    only: { type: 'string', default: '' },
  },
});
const EVENTS = Number(values.events);
const MAX_EMBEDDED_EVENTS = 1_000_000;

const DAY_MICROS = 86_400_000_000;
const MONTHS_18_DAYS = 548;
const END_MICROS = Date.UTC(2026, 4, 21) * 1000;
const BATCH_RECORDS = 1500;
/** As many partitions of the log as the indexer stores at once. */
const PARTITIONS = 4;
const QUERIES = 60;
const ACCOUNTS = 1000;
/** On top of its share, so that the largest account has about a fifth of all events. */
const EXTRA_SHARE = 0.08;

/** Events spread evenly over 18 months. */
class World {
  readonly #all: EventSource;
  readonly #largest: EventSource;
  readonly #events: number;
  readonly #random = new SeededRandom(11);

  constructor(events: number) {
    this.#events = events;
    const eventsPerSecond = events / (MONTHS_18_DAYS * 86_400);
    const startMs = (END_MICROS - MONTHS_18_DAYS * DAY_MICROS) / 1000;
    const common = { startMs, eventsPerSecond, templates: 20_000 };
    this.#all = new EventSource({ ...common, accounts: ACCOUNTS, spread: 'zipf' });
    const accounts = this.#all.accounts.slice(0, 1);
    this.#largest = new EventSource({ ...common, accounts, seed: 2 });
  }

  source(index: number): EventSource {
    return index % 100 < EXTRA_SHARE * 100 ? this.#largest : this.#all;
  }

  /** A random event of the last days: who asks for something mostly asks for what is there. */
  recent(days: number) {
    const first = Math.floor(this.#events * (1 - days / MONTHS_18_DAYS));
    const index = this.#random.between(first, this.#events - 1);
    const event = this.source(index).event(index);
    return { event, tenant: account(event.account?.id ?? '') };
  }
}

async function fill(store: AuditStore, world: World, events: number): Promise<number> {
  const startedMs = clock.monotonic();
  const fillPartition = async (partition: number) => {
    const reader = new EntryReader(new WriterSchemas({}));
    let from: number | undefined;
    for (let at = partition * BATCH_RECORDS; at < events; at += PARTITIONS * BATCH_RECORDS) {
      const count = Math.min(BATCH_RECORDS, events - at);
      const entries = Array.from({ length: count }, (_, index) => {
        const { key, value } = world.source(at + index).encoded(at + index);
        reader.load(value, Buffer.from(key));
        return reader.entry();
      });
      const to = { next: at + count, lastRead: null };
      await store.append({ topic: 't', partition, from, to, entries, deadLetters: [] });
      from = to.next;
      if (partition === 0 && (at / BATCH_RECORDS) % 200 === 0) {
        const perSecond = (at + count) / ((clock.monotonic() - startedMs) / 1000);
        process.stderr.write(`bench: ${at + count} events, ${Math.round(perSecond)}/s\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: PARTITIONS }, (_, index) => fillPartition(index)));
  return events / ((clock.monotonic() - startedMs) / 1000);
}

interface Question {
  readonly name: string;
  readonly days: number;
  readonly limit?: number;
  readonly ask: (world: World) => { tenant: Tenant; filters: AuditFilter[] };
}

function byField(field: AuditField, days: number, isNegated = false): Question {
  const [section = '', member = ''] = /^([a-z]+?)_(.+)$/.exec(field)?.slice(1) ?? [];
  return {
    name: `${field}${isNegated ? '.not' : ''}, ${days} days`,
    days,
    ask: (world) => {
      for (;;) {
        const { event, tenant } = world.recent(days);
        const whole = event as unknown as Record<string, Record<string, unknown> | null>;
        const value = field === 'id' ? event.id : whole[section]?.[member];
        if (typeof value !== 'string' && typeof value !== 'number') continue;
        if (value === '') continue;
        return { tenant, filters: [{ field, values: [value], isNegated }] };
      }
    },
  };
}

const FIELDS: readonly AuditField[] = [
  ...(['account_name', 'action_result', 'action_type', 'actor_context', 'actor_email'] as const),
  ...(['actor_id', 'actor_ip_address', 'actor_token_id', 'actor_token_name'] as const),
  ...(['actor_type', 'id', 'raw_cf_ray_id', 'raw_method', 'raw_status_code', 'raw_uri'] as const),
  ...(['resource_id', 'resource_product', 'resource_scope', 'resource_type'] as const),
  ...(['zone_id', 'zone_name'] as const),
];

const QUESTIONS: readonly Question[] = [
  {
    name: 'newest page, 100 of 90 days',
    days: 90,
    ask: (world) => ({ tenant: world.recent(90).tenant, filters: [] }),
  },
  {
    name: 'newest page, 1000 of 90 days',
    days: 90,
    limit: 1000,
    ask: (world) => ({ tenant: world.recent(90).tenant, filters: [] }),
  },
  ...FIELDS.map((field) => byField(field, 90)),
  ...(['action_type', 'actor_email', 'resource_product'] as const).map((field) =>
    byField(field, 90, true),
  ),
  {
    name: 'action_type=view (there is none), 90 days',
    days: 90,
    ask: (world) => ({
      tenant: world.recent(90).tenant,
      filters: [{ field: 'action_type', values: ['view'], isNegated: false }],
    }),
  },
  ...(['raw_cf_ray_id', 'resource_id', 'actor_email', 'id'] as const).map((field) =>
    byField(field, MONTHS_18_DAYS),
  ),
];

async function measure(store: AuditStore, world: World): Promise<void> {
  const rows = [['query', 'p50 ms', 'p95 ms', 'max ms', 'rows']];
  for (const { name, days, limit = 100, ask } of QUESTIONS) {
    const took: number[] = [];
    let found = 0;
    for (let round = 0; round < QUERIES; round += 1) {
      const { tenant, filters } = ask(world);
      const sinceMicros = END_MICROS - days * DAY_MICROS;
      const startedMs = clock.monotonic();
      const page = await store.query({
        ...{ tenant, filters, sinceMicros, beforeMicros: END_MICROS + DAY_MICROS },
        ...{ direction: 'desc', limit },
      });
      took.push(clock.monotonic() - startedMs);
      found += page.entries.length;
    }
    took.sort((a, b) => a - b);
    const at = (share: number) => (took[Math.ceil(QUERIES * share) - 1] ?? 0).toFixed(1);
    rows.push([name, at(0.5), at(0.95), at(1), (found / QUERIES).toFixed(0)]);
  }
  const all = [rows[0]!, rows[0]!.map(() => '---'), ...rows.slice(1)];
  process.stdout.write(`${all.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`);
}

async function run(name: string, store: AuditStore, events: number): Promise<void> {
  const world = new World(events);
  const perSecond = await fill(store, world, events);
  process.stdout.write(`\n${name}, ${events} events, stored at ${perSecond.toFixed(0)}/s\n\n`);
  await measure(store, world);
}

if (values.only !== 'postgres') {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-bench-'));
  const opened = await openSqliteAuditStore({ file: join(folder, 'audit.db'), clock });
  await run('SQLite', opened.store, Math.min(EVENTS, MAX_EMBEDDED_EVENTS));
  await opened.close();
  rmSync(folder, { recursive: true });
}
if (values.only !== 'embedded') {
  const server = await startPostgres({ disposable: true });
  if ('unavailable' in server) throw new Error(server.unavailable);
  const opened = await openPostgresAuditStore({ url: server.url, clock, logger });
  await run(server.description, opened.store, EVENTS);
  await opened.close();
  await server.stop();
}
