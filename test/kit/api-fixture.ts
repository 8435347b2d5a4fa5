import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';

import {
  createApi,
  DEFAULT_PRODUCT_CATEGORIES,
  mintToken,
  OutboxRelay,
  type ApiDeps,
  type DestinationConfs,
} from '@trailpush/api';
import {
  Secret,
  type AuditRetention,
  type AuditStore,
  type Dataset,
  type NewToken,
  type RecordLog,
} from '@trailpush/core';
import {
  datasets,
  encodeEvent,
  EntryReader,
  LineEncoder,
  WriterSchemas,
} from '@trailpush/datasets';
import {
  challengeFilename,
  demandsOwnership,
  parseDestination,
  redactConf,
  restoreConf,
} from '@trailpush/destinations';
import { openEmbeddedLog } from '@trailpush/log';
import {
  createHttpServer,
  createLogger,
  createMetrics,
  Readiness,
  systemClock,
} from '@trailpush/runtime';
import { openSqliteAuditStore, openSqliteStores, type Stores } from '@trailpush/stores';
import type { FastifyInstance } from 'fastify';

import { breachOf } from './openapi.ts';
import { shapeBreachOf } from './published-shapes.ts';

export const ADMIN_TOKEN = 'test-admin-token-0123456789';

/** A token that opens nothing. */
export const TOKEN_SPEC = {
  name: 'of a test',
  email: null,
  accountIds: [],
  organizationIds: [],
  permissions: [],
  allowedAddresses: [],
  notBeforeMs: null,
  expiresAtMs: null,
};

/** What the API answers, as tests read it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly body: {
    readonly success: boolean;
    readonly errors: readonly {
      readonly code: number;
      readonly message: string;
      readonly source?: { readonly pointer: string };
    }[];
    readonly messages: readonly { readonly code: number; readonly message: string }[];
    readonly result: unknown;
  };
}

export interface ApiFixtureOptions extends Partial<
  Pick<ApiDeps, 'relaxLimits' | 'rateLimit' | 'tellReads' | 'maxJobsPerAccount' | 'maxRecordBytes'>
> {
  /** Holds no answer against the OpenAPI document: for benchmarks. */
  readonly isUnchecked?: boolean;
  /** Sends audit events about jobs to the log, which then grows by itself. */
  readonly relays?: boolean;
  /** By name, beside the real ones. */
  readonly moreDatasets?: ReadonlyMap<string, Dataset>;
}

export interface ApiFixture {
  /** Not listening; `inject` works, `listen` may be called. */
  readonly app: FastifyInstance;
  /** Every route that is served, as `METHOD /path/:parameter`. */
  readonly routes: readonly string[];
  readonly log: RecordLog;
  readonly stores: Stores;
  readonly audit: AuditStore;
  readonly retention: AuditRetention;
  /** Everything that was logged so far. */
  logged(): string;
  /** One call as the admin, with a JSON body when `body` is given. */
  send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<Answer>;
  /** Makes a token, for nothing unless `spec` says more, and gives its text. */
  createToken(spec?: Partial<NewToken>): Promise<string>;
  /** The stored cursor of a job in each partition of the log. */
  cursorsOf(jobId: number): Promise<Map<number, number>>;
  /** The confs that test uploads were sent to so far. */
  readonly probed: readonly string[];
  /** Every proof of ownership that was written, to nowhere. */
  readonly challenges: readonly { readonly conf: string; readonly token: string }[];
  /** What becomes of test uploads from now on; at first all arrive, and no packet leaves. */
  answerProbes(probe: DestinationConfs['probe']): void;
  /** From now on `bounds` and `append` fail with this error; undefined mends them. */
  breakLog(error: Error | undefined): void;
  close(): Promise<void>;
}

const MAX_RECORD_BYTES = 1024 * 1024;

/**
 * The API over a real SQLite database and a real embedded log in a folder of its own. `close` throws
 * when any answer was not as the OpenAPI document says, or as Cloudflare publishes for audit logs.
 */
export async function startApi(options: ApiFixtureOptions = {}): Promise<ApiFixture> {
  const folder = await mkdtemp(join(tmpdir(), 'trailpush-api-'));
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const logger = createLogger({ level: 'debug', stream });
  const maxRecordBytes = options.maxRecordBytes ?? MAX_RECORD_BYTES;
  const common = { clock: systemClock, logger };
  const log = await openEmbeddedLog({ dir: folder, maxRecordBytes, ...common });
  const stores = await openSqliteStores({
    file: join(folder, 'state.db'),
    secretKey: randomBytes(32),
    ...common,
  });
  const audit = await openSqliteAuditStore({
    file: join(folder, 'audit.db'),
    clock: systemClock,
  });
  const metrics = createMetrics();
  const probed: string[] = [];
  const challenges: { conf: string; token: string }[] = [];
  const parse = (conf: string) => parseDestination(conf, { allowPrivate: [], fileRoot: undefined });
  let probe: DestinationConfs['probe'] = async () => ({ verdict: { kind: 'delivered' } });
  let broken: Error | undefined;
  const breakable = {
    topic: log.topic,
    openReader: (partition: number, offset: number) => log.openReader(partition, offset),
    bounds: async () => (broken === undefined ? log.bounds() : Promise.reject(broken)),
    append: async (records: Parameters<RecordLog['append']>[0]) =>
      broken === undefined ? log.append(records) : Promise.reject(broken),
  };
  const encoder = new LineEncoder({ encode: encodeEvent, maxRecordBytes, clock: systemClock });
  const relay = new OutboxRelay({
    ...{ outbox: stores.outbox, log: breakable, encoder, maxRecordBytes, ...common },
    waiting: metrics.serving.outboxEvents,
  });
  if (options.relays) relay.start();
  const app = createHttpServer({ logger, metrics, readiness: new Readiness() });
  const routes: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) if (each !== 'HEAD') routes.push(`${each} ${url}`);
  });
  const breaches = new Set<string>();
  app.addHook('onSend', async ({ method, routeOptions }, reply, payload) => {
    if (options.isUnchecked) return;
    const { url: route } = routeOptions;
    if (route === undefined || method === 'HEAD') return;
    const mediaType = String(reply.getHeader('content-type')).split(';')[0] ?? '';
    const answer = { method, route, status: reply.statusCode, mediaType };
    const body = typeof payload === 'string' ? payload : '';
    const breach = breachOf({ ...answer, body });
    if (breach !== undefined) breaches.add(breach);
    if (mediaType !== 'application/json') return;
    const other = shapeBreachOf(route, reply.statusCode, body);
    if (other !== undefined) breaches.add(`as published: ${other}`);
  });
  await app.register(
    createApi({
      jobs: stores.jobs,
      audit: audit.store,
      retention: audit.retention,
      retentionMonths: 18,
      secretKey: Buffer.alloc(32, 1),
      productCategories: DEFAULT_PRODUCT_CATEGORIES,
      log: breakable,
      datasets: new Map([...datasets(new WriterSchemas({})), ...(options.moreDatasets ?? [])]),
      destinations: {
        parse,
        redact: redactConf,
        restore: restoreConf,
        probe: async (conf, signal) => {
          probed.push(conf);
          return probe(conf, signal);
        },
        demandsOwnership,
        challengeFilename: (conf) => challengeFilename(parse(conf), systemClock.now()),
        putChallenge: async (conf, token, signal) => {
          challenges.push({ conf, token });
          return probe(conf, signal);
        },
      },
      encoder,
      relay: options.relays ? relay : { wake: () => undefined },
      metrics: metrics.serving,
      adminToken: new Secret(ADMIN_TOKEN),
      tokens: stores.tokens,
      savedQueries: stores.savedQueries,
      requireOwnership: true,
      challengeKey: randomBytes(32),
      replays: stores.replays,
      jobHealth: stores.jobHealth,
      deadLetters: stores.deadLetters,
      auditTrail: stores.auditTrail,
      tellReads: options.tellReads ?? false,
      digests: stores.digests,
      digestKeys: stores.digestKeys,
      openEntryReader: () => new EntryReader(new WriterSchemas({})),
      clock: systemClock,
      relaxLimits: options.relaxLimits ?? false,
      rateLimit: options.rateLimit ?? 0,
      maxJobsPerAccount: options.maxJobsPerAccount ?? 100,
      maxRecordBytes,
    }),
  );
  return {
    app,
    routes,
    log,
    stores,
    audit: audit.store,
    retention: audit.retention,
    logged: () => lines.join(''),
    send: (method, path, body) => send(app, method, path, body),
    createToken: (spec) => createToken(stores, spec),
    cursorsOf: (jobId) => cursorsOf(stores, log, jobId),
    probed,
    challenges,
    answerProbes: (answer) => {
      probe = answer;
    },
    breakLog: (error) => {
      broken = error;
    },
    close: async () => {
      await app.close();
      await relay.stop();
      await stores.close();
      await audit.close();
      await log.close();
      await rm(folder, { recursive: true });
      if (breaches.size > 0)
        throw new Error(`against the OpenAPI document: ${[...breaches].join('; ')}`);
    },
  };
}

async function send(
  app: FastifyInstance,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  url: string,
  body: object | undefined,
): Promise<Answer> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const payload = body === undefined ? {} : { payload: body };
  const answer = await app.inject({ method, url, headers, ...payload });
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text: answer.body,
    body: answer.json<Answer['body']>(),
  };
}

async function createToken({ tokens }: Stores, spec: Partial<NewToken> = {}): Promise<string> {
  const { token, text } = mintToken({ ...TOKEN_SPEC, ...spec });
  await tokens.create(token);
  return text.reveal();
}

async function cursorsOf(
  { progress }: Stores,
  log: RecordLog,
  jobId: number,
): Promise<Map<number, number>> {
  const cursors = new Map<number, number>();
  for (const { partition } of await log.bounds()) {
    const claim = { topic: log.topic, partition, owner: 'test', heldEpoch: undefined, logStart: 0 };
    const { cursor } = await progress.loadJob(await progress.claim(claim), jobId);
    if (cursor !== undefined) cursors.set(partition, cursor.cursor);
  }
  return cursors;
}
