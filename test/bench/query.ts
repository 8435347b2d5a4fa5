/**
 * `npm run bench:query [-- --events N] [--only postgres|embedded] [--database URL] [--fill]`: fills an audit store with the
 * indexer, asks it what the query API asks, and downloads from it. Prints tables for each store; a benchmark
 * reports, it does not judge. A database that is given is kept, and filled on from where a run before has ended (with
 * the same number of events); `--fill` does no more than that.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { AuditField, AuditFilter, AuditStore, Tenant } from '@trailpush/core';
import { systemClock as clock } from '@trailpush/runtime';
import { openPostgresAuditStore, openSqliteAuditStore } from '@trailpush/stores';
import { startPostgres } from '../kit/postgres.ts';
import { account } from '../kit/audit-entry.ts';
import { measureDownloads } from './audit-download.ts';
import { fillAuditStore } from './audit-fill.ts';
import { AuditWorld, DAY_MICROS, END_MICROS, MONTHS_18_DAYS } from './audit-world.ts';
import { logger } from './world.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    only: { type: 'string', default: '' },
    database: { type: 'string', default: '' },
    fill: { type: 'boolean', default: false },
  },
});
const EVENTS = Number(values.events);
const MAX_EMBEDDED_EVENTS = 1_000_000;

const QUERIES = 60;

interface Question {
  readonly name: string;
  readonly days: number;
  readonly limit?: number;
  readonly ask: (world: AuditWorld) => { tenant: Tenant; filters: AuditFilter[] };
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

async function measure(store: AuditStore, world: AuditWorld): Promise<void> {
  const rows = [['query', 'p50 ms', 'p95 ms', 'max ms', 'rows']];
  for (const { name, days, limit = 100, ask } of QUESTIONS) {
    const times = { sinceMicros: END_MICROS - days * DAY_MICROS, beforeMicros: END_MICROS * 2 };
    const measured = await repeat(async () => {
      const query = { ...ask(world), ...times, direction: 'desc' as const, limit };
      return (await store.query(query)).entries.length;
    });
    rows.push([name, ...measured]);
  }
  rows.push(...(await measureFollowing(store, world)));
  printTable(rows);
}

/** What a collector asks that begins, and one that is up to date. */
async function measureFollowing(store: AuditStore, world: AuditWorld): Promise<string[][]> {
  const tenant = account(world.largest);
  const follow = (after: number) =>
    store.follow({
      ...{ tenant, after, sinceMicros: 0, beforeMicros: END_MICROS * 2 },
      ...{ limit: 1000, filters: [] },
    });
  let after = 0;
  const pages = await repeat(async () => {
    const { entries, next } = await follow(after);
    after = next;
    return entries.length;
  });
  for (let next = -1; next !== after;) [next, after] = [after, (await follow(after)).next];
  const rest = await repeat(async () => (await follow(after)).entries.length);
  return [
    ['order=ingested, pages of 1000', ...pages],
    ['order=ingested, nothing new', ...rest],
  ];
}

/** Asks many times; `ask` resolves to the number of rows. */
async function repeat(ask: () => Promise<number>): Promise<string[]> {
  const took: number[] = [];
  let found = 0;
  for (let round = 0; round < QUERIES; round += 1) {
    const startedMs = clock.monotonic();
    found += await ask();
    took.push(clock.monotonic() - startedMs);
  }
  took.sort((a, b) => a - b);
  const at = (share: number) => (took[Math.ceil(QUERIES * share) - 1] ?? 0).toFixed(1);
  return [at(0.5), at(0.95), at(1), (found / QUERIES).toFixed(0)];
}

function printTable(rows: readonly (readonly string[])[]): void {
  const [head = [], ...rest] = rows;
  const all = [head, head.map(() => '---'), ...rest];
  process.stdout.write(`${all.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n\n`);
}

async function run(name: string, store: AuditStore, events: number): Promise<void> {
  const world = new AuditWorld(events);
  process.stdout.write(`\n${name}, ${events} events\n\n`);
  const filled = await fillAuditStore(store, world);
  printTable([
    ['events stored now', 'events/s', 'CPU s', 'database CPU s'],
    [filled.events, filled.perSecond, filled.cpuSeconds, filled.serverCpuSeconds].map((of) =>
      of.toFixed(1),
    ),
  ]);
  if (values.fill) return;
  await measure(store, world);
  printTable(await measureDownloads(store, world));
}

if (values.only !== 'postgres') {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-bench-'));
  const opened = await openSqliteAuditStore({ file: join(folder, 'audit.db'), clock });
  await run('SQLite', opened.store, Math.min(EVENTS, MAX_EMBEDDED_EVENTS));
  await opened.close();
  rmSync(folder, { recursive: true });
}
if (values.only !== 'embedded') {
  const server = values.database === '' ? await startPostgres({ disposable: true }) : undefined;
  if (server && 'unavailable' in server) throw new Error(server.unavailable);
  const url = server?.url ?? values.database;
  const opened = await openPostgresAuditStore({ url, clock, logger });
  await run(server?.description ?? 'PostgreSQL', opened.store, EVENTS);
  await opened.close();
  await server?.stop();
}
