import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import Cloudflare from 'cloudflare';
import Cloudflare4 from 'cloudflare4';
import Cloudflare5 from 'cloudflare5';
import Cloudflare6 from 'cloudflare6';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonTextArbitrary, textArbitrary } from '../kit/audit-event-arbitrary.ts';
import { lineOf, version1LineOf, type AuditItem, type Line } from '../kit/line-of-item.ts';
import { shapeBreachOf } from '../kit/published-shapes.ts';
import { createJob, postEvents } from '../kit/system/client.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: the audit API and jobs say the same of every event, in both versions, and SDKs page through version 1.
 * Method: events with every field, each absent, empty, odd or plain at random, and some large bodies; the real
 * program delivers them to files and indexes them.
 */
const EVENTS = 400;
const BIG_EVERY = 80;
const BIG_CHARACTERS = 300_000;
const ACCOUNT = 'b'.repeat(32);
const ALICE = 'alice@example.com';
const NOW_MS = Date.now();
const DAY_MS = 86_400_000;
const WINDOW = `since=${new Date(NOW_MS - 320 * DAY_MS).toISOString()}&before=${new Date(NOW_MS + DAY_MS).toISOString()}`;

/** The members of one section: texts as JSON, or nothing. */
const text = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom('""', 'null') },
  { weight: 4, arbitrary: textArbitrary.map((value) => JSON.stringify(value)) },
);
const word = (...words: string[]) => fc.constantFrom(undefined, ...words.map((of) => `"${of}"`));
/**
 * Not with a lone backslash as a key: once JSON.parse of Node 24.21 has seen one, it takes every key of one
 * escaped character in that place for a backslash.
 */
const LONE_BACKSLASH = /"\\\\"\s*:/;
const body = fc.oneof(
  { weight: 1, arbitrary: fc.constant(undefined) },
  {
    weight: 3,
    arbitrary: jsonTextArbitrary
      .map((json) => json.replaceAll(/[\r\n]/g, ' '))
      .filter((json) => !LONE_BACKSLASH.test(json)),
  },
);
const section = (members: Record<string, fc.Arbitrary<string | undefined>>) =>
  fc.record(members).map((values) => {
    const given = Object.entries(values).filter(([, value]) => value !== undefined);
    return `{${given.map(([name, value]) => `"${name}":${String(value)}`).join(',')}}`;
  });
const address = word('10.1.2.3', '10.255.0.1', '11.0.0.1', '2001:db8::1', '::ffff:10.9.9.9', '');

/** Everything of an event but its id, time and account. */
const sections = fc.record({
  action: section({ description: text, result: word('success', 'failure', ''), type: text }),
  actor: section({
    ...{ context: word('dash', 'api_token', ''), email: word(ALICE, 'bob@example.com', '') },
    ...{ id: text, ip_address: address, token_id: text, token_name: text },
    type: word('user', 'account', 'system', 'cloudflare_admin', 'delegated_service', ''),
  }),
  raw: section({
    ...{ cf_ray_id: text, method: text, uri: text, user_agent: text },
    status_code: fc.constantFrom(undefined, '0', '200', '2147483647'),
  }),
  resource: section({
    ...{ id: text, product: text, type: text, request: body, response: body, value: body },
    scope: word('accounts', 'user', 'zones', ''),
  }),
  zone: fc.oneof(fc.constant('null'), section({ id: text, name: text })),
  interface: text,
  owner: fc.constantFrom(undefined, '{"id":"owner-1"}'),
  metadata: body,
  old_value: body,
  newValue: body,
});

const events = fc.sample(sections, { numRuns: EVENTS, seed: 11 }).map((of, index) => {
  const ms = NOW_MS - (((index * 7919) % EVENTS) + 1) * 0.7 * DAY_MS;
  const fraction = String((index * 123_457) % 1_000_000).padStart(6, '0');
  const time = `${new Date(ms).toISOString().slice(0, 19)}.${fraction}Z`;
  const big = index % BIG_EVERY === 0 ? { metadata: bigBody(index) } : {};
  const action = of.action.replace('{', `{"time":"${time}"${of.action === '{}' ? '' : ','}`);
  const members = Object.entries({ ...of, ...big, action }).flatMap(([name, value]) =>
    value === undefined ? [] : [`"${name}":${value}`],
  );
  const line = `{"id":"event-${index}","account":{"id":"${ACCOUNT}","name":"Acme, \\u2028 Inc."},${members.join(',')}}`;
  return { id: `event-${index}`, time, line };
});

function bigBody(index: number): string {
  return JSON.stringify({ index, text: 'é"\\'.repeat(BIG_CHARACTERS / 3) });
}

const folder = mkdtempSync(join(tmpdir(), 'trailpush-parity-'));
let program: Program;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({ command: 'up', dataFolder: folder });
  for (const dataset of ['audit_logs_v2', 'audit_logs']) {
    await createJob(program.url, ACCOUNT, {
      ...{ name: dataset, dataset, destination_conf: `file://${dataset}` },
      output_options: { timestamp_format: 'rfc3339ns' },
      max_upload_interval_seconds: 1,
    });
  }
  for (let at = 0; at < EVENTS; at += 50) {
    const lines = events.slice(at, at + 50).map(({ line }) => line);
    expect(await postEvents(program.url, lines)).toEqual({ status: 202, message: '' });
  }
  await eventually('all events are indexed', 60_000, async () => {
    const { result } = await get(`logs/audit?${WINDOW}&id=${events.at(-1)!.id}`);
    return result.length === 1;
  });
}, 120_000);

afterAll(async () => {
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

interface Page {
  readonly result: AuditItem[];
  readonly result_info: { readonly cursor: string };
}

/** Checked against what Cloudflare publishes. */
async function get(path: string): Promise<Page> {
  const answer = await fetch(`${program.url}/client/v4/accounts/${ACCOUNT}/${path}`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  const answered = await answer.text();
  const route = `/client/v4/accounts/:account_id/${path.split('?')[0]!}`;
  expect(shapeBreachOf(route, answer.status, answered)).toBeUndefined();
  return JSON.parse(answered) as Page;
}

/** The lines of our events as a job has delivered them, by id. */
async function delivered(dataset: string, id: string): Promise<Map<string, Line>> {
  const lines = new Map<string, Line>();
  await eventually(`all events are delivered as ${dataset}`, 50_000, () => {
    const root = join(folder, 'out', dataset);
    for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.log.gz')) continue;
      const content = gunzipSync(readFileSync(join(root, name))).toString();
      for (const line of content
        .trimEnd()
        .split('\n')
        .map((each) => JSON.parse(each) as Line)) {
        lines.set(String(line[id]), line);
      }
    }
    return events.every((event) => lines.has(event.id));
  });
  return lines;
}

const isOurs = ({ id }: AuditItem) => id.startsWith('event-');

describe('an event', () => {
  it(
    'is the same in version 2 and in the lines of audit_logs_v2',
    { timeout: 60_000 },
    async () => {
      const lines = await delivered('audit_logs_v2', 'AuditLogID');
      const items: AuditItem[] = [];
      for (let cursor = '', isFirst = true; isFirst || cursor !== ''; isFirst = false) {
        const page = await get(`logs/audit?${WINDOW}&limit=150&cursor=${cursor}`);
        items.push(...page.result.filter(isOurs));
        ({ cursor } = page.result_info);
      }
      expect(items).toHaveLength(EVENTS);
      for (const item of items) expect(lineOf(item)).toEqual(lines.get(item.id));
    },
  );

  it('is the same in version 1 and in the lines of audit_logs', { timeout: 60_000 }, async () => {
    const lines = await delivered('audit_logs', 'ID');
    const items: AuditItem[] = [];
    for (let page = 1; page <= 4; page += 1) {
      items.push(...(await get(`audit_logs?per_page=150&page=${page}`)).result.filter(isOurs));
    }
    expect(items).toHaveLength(EVENTS);
    const types = new Map<string, string>([
      ...[['user', 'user'] as const, ['account', 'user'] as const, ['', ''] as const],
      ...[['system', 'Cloudflare'] as const, ['delegated_service', 'Cloudflare'] as const],
      ['cloudflare_admin', 'admin'] as const,
    ]);
    for (const item of items) {
      const line = lines.get(item.id)!;
      const ActorType = types.get(String(line['ActorType']));
      expect(version1LineOf(item)).toEqual({ ...line, ActorType });
    }
  });
});

interface Options {
  readonly apiToken: string;
  readonly baseURL: string;
}

type Items = AsyncIterable<{ readonly id?: string }>;
type Lists = Readonly<Record<'all' | 'inside' | 'own', () => Items>>;
/** The calls that all versions have in common. */
interface Client {
  readonly auditLogs: { list(of: Cloudflare.AuditLogs.AuditLogListParams): Items };
  readonly user: { readonly auditLogs: { list(of: UserParams): Items } };
}
type UserParams = Cloudflare.User.AuditLogListParams;

async function idsOf(pages: Items): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id = '' } of pages) if (id.startsWith('event-')) ids.push(id);
  return ids;
}

describe('version 1 of the audit log', () => {
  const newest = events.toSorted((a, b) => (a.time < b.time ? 1 : -1));
  const idsWhere = (isIt: (item: { actor?: Line; resource?: Line }) => boolean) =>
    newest.filter(({ line }) => isIt(JSON.parse(line) as object)).map(({ id }) => id);
  // Pages by number shift when something newer comes in, and the making of each token is told in the log, too.
  const before = new Date(Math.max(...events.map(({ time }) => Date.parse(time))) + 1000);
  const past = { before: before.toISOString() };
  const ofAccount = { account_id: ACCOUNT, per_page: 90, ...past } as const;
  const inside = { ...ofAccount, actor: { ip: '10.0.0.0/8' }, hide_user_logs: true } as const;
  const ofUser = { per_page: 40, direction: 'asc', ...past } as const;
  const versions: readonly [string, (options: Options) => Lists][] = [
    ['4', (options) => listsOf(new Cloudflare4(options))],
    ['5', (options) => listsOf(new Cloudflare5(options))],
    ['6', (options) => listsOf(new Cloudflare6(options))],
    ['7', (options) => listsOf(new Cloudflare(options))],
  ];
  /** Every version takes these parameters by its own types. */
  const listsOf = ({ auditLogs, user }: Client): Lists => ({
    all: () => auditLogs.list(ofAccount),
    inside: () => auditLogs.list(inside),
    own: () => user.auditLogs.list(ofUser),
  });

  it.each(versions)('is paged through by version %s of the SDK', async (_version, listsOf) => {
    const order = { permissions: ['Audit Logs Read'], account_ids: [ACCOUNT], email: ALICE };
    const made = await fetch(`${program.url}/admin/v1/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(order),
    });
    const { result } = (await made.json()) as { result: { value: string } };
    const lists = listsOf({ apiToken: result.value, baseURL: `${program.url}/client/v4` });
    expect(await idsOf(lists.all())).toEqual(newest.map(({ id }) => id));
    const within = /^(?:::ffff:)?10\./;
    expect(await idsOf(lists.inside())).toEqual(
      idsWhere(
        ({ actor, resource }) =>
          within.test(String(actor?.['ip_address'])) && resource?.['scope'] !== 'user',
      ),
    );
    const own = idsWhere(({ actor }) => actor?.['email'] === ALICE);
    expect(own.length).toBeGreaterThan(40);
    expect(await idsOf(lists.own())).toEqual(own.toReversed());
  });
});
