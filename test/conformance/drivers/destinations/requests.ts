import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

import type { AttemptResult } from '@trailpush/core';
import { openDestination, parseDestination } from '@trailpush/destinations';
import { systemClock } from '@trailpush/runtime';
import { BatcherWorld } from '@trailpush/test/kit/batcher-world.ts';
import { LOOPBACK_POLICY } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { bodyOf, makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { expect, onTestFinished, vi } from 'vitest';

import { openHttpExchange } from '../../../../services/lib/destinations/src/http-exchange.ts';
import { faultOf, LOGPUSH_CODES } from '../../../../services/lib/destinations/src/verdict.ts';
import type { Driver, Drivers } from '../../cases.ts';
import { inputOf, putTo, s3Conf, startReceiver } from './answers.ts';

const { logger } = createRecordingLogger();

/** What a conf makes of a request, sent to a receiver of this machine in place of the conf's host. */
const mapping: Driver = async (entry) => {
  const conf = String(entry['conf']);
  const {
    method,
    path,
    query,
    headers,
    url_host: host,
  } = entry['expect'] as {
    readonly method: string;
    readonly path?: string;
    readonly url_host?: string;
    readonly query: Readonly<Record<string, string>>;
    readonly headers: Readonly<Record<string, string>>;
  };
  const { location } = parseDestination(conf, { allowPrivate: [], fileRoot: undefined });
  if (host !== undefined) expect(location).toBe(`https://${host}`);
  const receiver = await startReceiver();
  const object = makeObject();
  const here = conf.replace(/^https:\/\/[^/?]+/, receiver.origin);
  expect((await putTo(here, { object })).verdict.kind).toBe('delivered');
  const [request] = receiver.received;
  const url = new URL(request!.url, receiver.origin);
  expect(request?.method).toBe(method);
  if (path !== undefined) expect(url.pathname).toBe(path);
  expect(Object.fromEntries(url.searchParams)).toEqual(query);
  for (const [name, value] of Object.entries(headers)) {
    expect(request?.headers[name.toLowerCase()]).toBe(value);
  }
  expect(gunzipSync(request!.body).equals(gunzipSync(bodyOf(object)))).toBe(true);
};

/** Logpush's own words; what to do about it may follow. */
const errorMessage: Driver = async (entry) => {
  const words = String(entry['expect']);
  const [, status, body] = /uploading to https: (\d+) (.*)$/.exec(words) ?? [];
  const receiver = await startReceiver();
  receiver.faults.push({ then: { kind: 'answer', status: Number(status), body: body ?? '' } });
  const { message } = await putTo(receiver.origin);
  expect(message?.startsWith(words)).toBe(true);
};

async function closedPort(): Promise<AttemptResult> {
  const receiver = await startReceiver();
  const { origin } = receiver;
  await receiver.stop();
  return putTo(origin);
}

/** A host that takes connections and never shakes hands; with a shorter limit than that of destinations. */
async function silentTls(): Promise<AttemptResult> {
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const exchange = openHttpExchange(
    {
      url: new URL(`https://127.0.0.1:${port}`),
      rule: { allowPrivate: LOOPBACK_POLICY.allowPrivate, privateOnly: false },
      verified: true,
    },
    { connectMs: 5_000, tlsMs: 50, silenceMs: 5_000 },
    { clock: systemClock, logger },
  );
  onTestFinished(() => exchange.close());
  const request = { method: 'POST', url: new URL(`https://127.0.0.1:${port}`) } as const;
  const { signal } = new AbortController();
  const sent = exchange.send({ ...request, headers: new Map(), body: [] }, signal);
  const code = await sent.then(
    () => 'answered',
    (error: unknown) => (error as { code?: string }).code,
  );
  const { type, verdict } = faultOf(code);
  const healthCode = LOGPUSH_CODES[type];
  return { verdict: { kind: verdict }, healthCode, message: `${healthCode} ${type}` };
}

async function neverDone(): Promise<AttemptResult> {
  const receiver = await startReceiver();
  receiver.faults.push({ then: { kind: 'silence' }, store: true });
  const clock = new FakeClock();
  const attempt = putTo(receiver.origin, { clock });
  await vi.waitUntil(() => receiver.received.length === 1);
  await clock.advance(300_000);
  return attempt;
}

async function closedMeanwhile(): Promise<AttemptResult> {
  const parsed = parseDestination('https://logs.example.com', LOOPBACK_POLICY);
  const destination = openDestination(parsed, { clock: systemClock, logger });
  await destination.close();
  return put(destination, makeObject());
}

async function cutConnection(): Promise<AttemptResult> {
  const receiver = await startReceiver();
  receiver.faults.push({ then: { kind: 'reset', when: 'after_body' } });
  return putTo(receiver.origin);
}

const FAILURES: Readonly<Record<string, () => Promise<AttemptResult>>> = {
  ConnectionError: closedPort,
  ConnectionTimeout: silentTls,
  ConfigError: () => {
    const fileRoot = join(tmpdir(), 'trailpush-no-such-folder');
    return putTo('file://out', { policy: { allowPrivate: [], fileRoot } });
  },
  DNSError: () => putTo('https://nowhere.invalid'),
  Timeout: neverDone,
  RequestError: closedMeanwhile,
  TransferError: cutConnection,
};

/** Each failure is brought about, and has its code and its name. */
const healthCode: Driver = async (entry) => {
  const name = String(entry['name']);
  const result = await FAILURES[name]!();
  expect(result.healthCode).toBe(entry['code']);
  expect(result.message).toContain(`${String(entry['code'])} ${name}`);
};

/** A failure without status and without a known fault of the network. */
const internalError: Driver = async (entry) => {
  const world = new BatcherWorld();
  try {
    world.createJob();
    await world.start();
    world.places.at('bucket').answer = ({ number }) =>
      number === 1 ? 'deliver unseen' : 'deliver';
    world.produce('acme', 1);
    await world.advance(60_000);
    expect(world.stores.health.attempts[0]?.code).toBe(entry['code']);
  } finally {
    world.close();
  }
};

const retryAfter: Driver = async (entry) => {
  const text = String(inputOf(entry)['retry_after']);
  const receiver = await startReceiver();
  const answer = { kind: 'answer', status: 503, headers: { 'retry-after': text } } as const;
  receiver.faults.push({ then: answer });
  const { verdict } = await putTo(receiver.origin);
  // An hour at most; what is no number of seconds leaves it to the back-off.
  const isNumber = /^\d+$/.test(text);
  expect(verdict).toEqual(
    isNumber ? { kind: 'throttled', retryAfterMs: 3_600_000 } : { kind: 'retry' },
  );
};

const packedAnswer: Driver = async () => {
  const receiver = await startReceiver();
  const headers = { 'content-encoding': 'gzip', 'content-type': 'text/plain' };
  const body = gzipSync('unpacked '.repeat(4_000_000));
  receiver.faults.push({ then: { kind: 'answer', status: 500, headers, body } });
  const { verdict, message } = await putTo(receiver.origin);
  expect(verdict).toEqual({ kind: 'retry' });
  expect(message).not.toContain('unpacked');
  expect(message?.length).toBeLessThan(200);
};

const longHeaders: Driver = async () => {
  const receiver = await startReceiver();
  const headers = { 'x-long': 'x'.repeat(10_000_000) };
  for (const conf of [receiver.origin, s3Conf(receiver)]) {
    receiver.faults.always({ then: { kind: 'answer', status: 200, headers } });
    const { verdict, message } = await putTo(conf);
    // Success is not believed when it cannot be read whole.
    expect(verdict.kind).toBe('retry');
    expect(message?.length).toBeLessThan(300);
    receiver.faults.clear();
    if (conf === receiver.origin) expect((await putTo(conf)).verdict.kind).toBe('delivered');
  }
};

/** Cases about what is sent to receivers, and what comes of answers that are no success. */
export const requestDrivers: Required<Drivers> = {
  logpush: {
    http_request_mapping: mapping,
    job_error_message: errorMessage,
    health_code: healthCode,
    'health_code-300': internalError,
  },
  badInputs: {
    'resource-limits-01': retryAfter,
    'resource-limits-02': retryAfter,
    'resource-limits-04': packedAnswer,
    'resource-limits-06': longHeaders,
  },
};
