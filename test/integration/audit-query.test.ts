import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import Cloudflare from 'cloudflare';
import Cloudflare4 from 'cloudflare4';
import Cloudflare5 from 'cloudflare5';
import Cloudflare6 from 'cloudflare6';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventSource } from '../kit/event-source.ts';
import { lineOf } from '../kit/line-of-item.ts';
import { createJob, ingest } from '../kit/system/client.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: Cloudflare's own SDKs page through the audit log of the real program while a producer keeps
 * writing, and what they read is what jobs are sent.
 * Method: 2,500 known events, and others that arrive meanwhile before, between and behind them.
 */
const EVENTS = 2500;
const ACCOUNT = 'a'.repeat(32);
const START_MS = Date.UTC(2026, 4, 21);
const source = new EventSource({ accounts: [ACCOUNT], startMs: START_MS, eventsPerSecond: 10 });
const later = new EventSource({
  accounts: [ACCOUNT],
  startMs: START_MS,
  seed: 2,
  eventsPerSecond: 10,
});
const WINDOW = { account_id: ACCOUNT, since: '2026-05-20', before: '2026-05-23' };
const FILTERS = [
  ...['account_name', 'action_result', 'action_type', 'actor_context', 'actor_email', 'actor_id'],
  ...['actor_ip_address', 'actor_token_id', 'actor_token_name', 'actor_type', 'id'],
  ...['raw_cf_ray_id', 'raw_method', 'raw_status_code', 'raw_uri', 'resource_id'],
  ...['resource_product', 'resource_scope', 'resource_type', 'zone_id', 'zone_name'],
];

type Item = Record<string, unknown> & { readonly id: string };

const folder = mkdtempSync(join(tmpdir(), 'trailpush-query-'));
let program: Program;
let isWriting = true;
let writing: Promise<void>;
const known = new Map<string, Item>();

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({ command: 'up', dataFolder: folder });
  await createJob(program.url, ACCOUNT, {
    name: 'files',
    destination_conf: 'file://files',
    output_options: { timestamp_format: 'rfc3339ns' },
    max_upload_interval_seconds: 1,
  });
  const lines = Array.from({ length: EVENTS }, (_, index) => source.item(index));
  for (const line of lines) known.set((JSON.parse(line) as Item).id, JSON.parse(line) as Item);
  for (let at = 0; at < EVENTS; at += 500) {
    expect(await ingest(program.url, lines.slice(at, at + 500))).toBe(true);
  }
  await eventually('all events are indexed', 60_000, async () => {
    const answer = await fetch(
      `${program.url}/client/v4/accounts/${ACCOUNT}/logs/audit?since=2026-05-20&before=2026-05-23&direction=asc&limit=1&id=${source.id(EVENTS - 1)}`,
      { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } },
    );
    return ((await answer.json()) as { result: unknown[] }).result.length === 1;
  });
  writing = write();
});

afterAll(async () => {
  isWriting = false;
  await writing;
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

const MAX_ROUNDS = 200;

/** Events at all times of the window, in a scattered order, for as long as most tests run. */
async function write(): Promise<void> {
  for (let round = 0; isWriting && round < MAX_ROUNDS; round += 1) {
    const lines = Array.from({ length: 20 }, (_, index) =>
      later.item(((round * 20 + index) * 7919) % 100_000),
    );
    await ingest(program.url, lines);
  }
}

async function all(pages: unknown): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of pages as AsyncIterable<Item>) items.push(item);
  return items;
}

/** The known ones, each once, in order. */
function check(items: readonly Item[], expected: readonly string[]): void {
  const ids = items.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.filter((id) => known.has(id))).toEqual(expected);
}

const IN_ORDER = Array.from({ length: EVENTS }, (_, index) => source.id(index));

describe('the audit log of a running program', () => {
  it.each([
    ['4', Cloudflare4],
    ['5', Cloudflare5],
    ['6', Cloudflare6],
    ['7', Cloudflare],
  ])('is paged through by version %s of the SDK', async (_, Client) => {
    const client = new Client({ apiToken: ADMIN_TOKEN, baseURL: `${program.url}/client/v4` });
    const list = client.accounts.logs.audit.list.bind(client.accounts.logs.audit) as (
      of: object,
    ) => unknown;
    check(await all(list({ ...WINDOW, limit: 300 })), IN_ORDER.toReversed());
    check(await all(list({ ...WINDOW, limit: 1000, direction: 'asc' })), IN_ORDER);
  });

  it.each(FILTERS)('is filtered by %s', async (name) => {
    const client = new Cloudflare({ apiToken: ADMIN_TOKEN, baseURL: `${program.url}/client/v4` });
    const list = (of: object) => all(client.accounts.logs.audit.list({ ...WINDOW, ...of }));
    const valueOf = (item: Item): unknown => {
      const [, section = '', member = ''] = /^([a-z]+?)_(.+)$/.exec(name) ?? [];
      return name === 'id'
        ? item.id
        : (item[section] as Record<string, unknown> | undefined)?.[member];
    };
    const value = [...known.values()]
      .map(valueOf)
      .find((each) => each !== undefined && each !== '');
    const isIt = (id: string) => valueOf(known.get(id)!) === value;
    const newest = IN_ORDER.toReversed();
    check(await list({ [name]: [value], limit: 1000 }), newest.filter(isIt));
    check(
      await list({ [name]: { not: [value] }, limit: 1000 }),
      newest.filter((id) => !isIt(id)),
    );
  });

  it(
    'says the same of every event as the lines that are delivered',
    { timeout: 60_000 },
    async () => {
      const lines = new Map<string, Record<string, unknown>>();
      await eventually('all events are delivered', 50_000, () => {
        for (const line of delivered()) lines.set(String(line['AuditLogID']), line);
        return IN_ORDER.every((id) => lines.has(id));
      });
      const client = new Cloudflare({ apiToken: ADMIN_TOKEN, baseURL: `${program.url}/client/v4` });
      const items = await all(client.accounts.logs.audit.list({ ...WINDOW, limit: 1000 }));
      for (const item of items.filter(({ id }) => known.has(id))) {
        expect(lineOf(item)).toEqual(lines.get(item.id));
      }
    },
  );
});

function* delivered(): Generator<Record<string, unknown>> {
  const root = join(folder, 'out', 'files');
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.log.gz')) continue;
    const text = gunzipSync(readFileSync(join(root, name))).toString();
    for (const line of text.trimEnd().split('\n'))
      yield JSON.parse(line) as Record<string, unknown>;
  }
}
