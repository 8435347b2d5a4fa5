import type { LookupAddress } from 'node:dns';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';

import type { AttemptResult, Clock } from '@trailpush/core';
import { type DestinationPolicy, openDestination, parseDestination } from '@trailpush/destinations';
import { systemClock } from '@trailpush/runtime';
import { createAuthority } from '@trailpush/test/kit/certificates.ts';
import { LOOPBACK_POLICY } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { HttpReceiver, type HttpReceiverOptions } from '@trailpush/test/kit/http-receiver.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { trustNewAuthority } from '@trailpush/test/kit/trusted-authority.ts';
import { expect, onTestFinished, vi } from 'vitest';

import { guardedLookup } from '../../../../services/lib/destinations/src/address-guard.ts';
import type { Case, Driver, Drivers } from '../../cases.ts';

const { logger } = createRecordingLogger();
const authority = trustNewAuthority();

export async function startReceiver(options: HttpReceiverOptions = {}): Promise<HttpReceiver> {
  const receiver = await HttpReceiver.start(options);
  onTestFinished(() => receiver.stop());
  return receiver;
}

interface PutOptions {
  readonly policy?: DestinationPolicy;
  readonly clock?: Clock;
  readonly object?: ReturnType<typeof makeObject>;
}

export async function putTo(
  conf: string,
  { policy = LOOPBACK_POLICY, clock = systemClock, object = makeObject() }: PutOptions = {},
): Promise<AttemptResult> {
  const destination = openDestination(parseDestination(conf, policy), { clock, logger });
  onTestFinished(() => destination.close());
  return put(destination, object);
}

export const inputOf = (entry: Case): Record<string, unknown> =>
  entry['input'] as Record<string, unknown>;

/** Each answer of the name server in turn: none of them may give an address that is not public. */
const dns: Driver = async (entry) => {
  const { answers } = inputOf(entry)['dns'] as { answers: readonly (string | string[])[] };
  const rule = { allowPrivate: [], privateOnly: false };
  for (const answer of answers) {
    const resolve = async (): Promise<LookupAddress[]> => {
      if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: 'EAI_AGAIN' });
      return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    };
    const lookup = promisify(guardedLookup(rule, logger, resolve));
    const code = answer.length === 0 ? 'no_address' : /address_blocked|EAI_AGAIN/;
    await expect(lookup('hook.test', { all: true })).rejects.toMatchObject({
      code: expect.stringMatching(code) as string,
    });
  }
};

const redirect: Driver = async (entry) => {
  const { status, location } = inputOf(entry)['response'] as { status: number; location: string };
  const receiver = await startReceiver();
  receiver.faults.push({ then: { kind: 'answer', status, headers: { location } } });
  const result = await putTo(`${receiver.origin}?header_Authorization=Bearer%20s3cret`);
  expect(result).toMatchObject({ verdict: { kind: 'refused' }, status });
  expect(result.message).toContain('redirects are not followed');
  // Not even where it came from is asked again.
  expect(receiver.received).toHaveLength(0);
};

const proxy: Driver = async () => {
  const [receiver, proxyServer] = [await startReceiver(), await startReceiver()];
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy', 'ALL_PROXY'];
  for (const name of names) vi.stubEnv(name, proxyServer.origin);
  onTestFinished(() => void vi.unstubAllEnvs());
  expect((await putTo(receiver.origin)).verdict.kind).toBe('delivered');
  expect(receiver.received).toHaveLength(1);
  expect(proxyServer.received).toHaveLength(0);
};

const SERVERS: Readonly<Record<string, () => HttpReceiverOptions['tls']>> = {
  'TLS 1.0 only': () => ({
    ...authority.issue(['127.0.0.1']),
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  }),
  'self-signed': () => {
    const { cert, key } = createAuthority();
    return { cert, key };
  },
  'expired certificate': () => authority.issue(['127.0.0.1'], { expired: true }),
  'wrong host name': () => authority.issue(['other.example']),
};

const tls: Driver = async (entry) => {
  const options = SERVERS[String(inputOf(entry)['server'])]?.();
  if (options === undefined) throw new Error('no such server');
  const receiver = await startReceiver({ tls: options });
  expect((await putTo(receiver.origin)).verdict.kind).toBe('refused');
  expect(receiver.received).toHaveLength(0);
};

export const s3Conf = ({ origin }: HttpReceiver): string =>
  `s3://bucket?region=us-east-1&endpoint=${origin}&access-key-id=AK&secret-access-key=SK`;

const neverAnswers: Driver = async () => {
  const receiver = await startReceiver();
  receiver.faults.push({ then: { kind: 'silence' }, store: true });
  const clock = new FakeClock();
  const attempt = putTo(s3Conf(receiver), { clock });
  await vi.waitUntil(() => receiver.received.length === 1);
  await clock.advance(300_000);
  expect(await attempt).toMatchObject({ verdict: { kind: 'retry' } });
};

const captivePortal: Driver = async () => {
  const receiver = await startReceiver();
  const headers = { 'content-type': 'text/html' };
  receiver.faults.push({ then: { kind: 'answer', status: 200, headers, body: '<html></html>' } });
  expect((await putTo(s3Conf(receiver))).verdict.kind).toBe('retry');
};

const multiStatus: Driver = async () => {
  const receiver = await startReceiver();
  const body = '{"items":[{"status":200},{"status":500}]}';
  receiver.faults.push({ then: { kind: 'answer', status: 207, body } });
  expect((await putTo(receiver.origin)).verdict.kind).toBe('refused');
};

const probe: Driver = async (entry) => {
  const receiver = await startReceiver();
  const destination = openDestination(parseDestination(receiver.origin, LOOPBACK_POLICY), {
    clock: systemClock,
    logger,
  });
  onTestFinished(() => destination.close());
  const { signal } = new AbortController();
  expect(await destination.probe(signal)).toMatchObject({ verdict: { kind: 'delivered' } });
  const [request] = receiver.received;
  expect(request?.headers['content-encoding']).toBe('gzip');
  expect(gunzipSync(request!.body).toString()).toBe(entry['body_after_gunzip']);
  receiver.faults.push({ then: { kind: 'answer', status: 302 } });
  expect((await destination.probe(signal)).verdict.kind).not.toBe('delivered');
};

async function makeRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'trailpush-cases-'));
  onTestFinished(() => rm(root, { recursive: true }));
  return root;
}

const replacesFile: Driver = async () => {
  const fileRoot = await makeRoot();
  const policy = { allowPrivate: [], fileRoot };
  const path = join(fileRoot, 'out', 'o.log.gz');
  const objects = ['{"n":1}\n', '{"n":2}\n'].map((lines) =>
    makeObject({ key: 'out/o.log.gz', lines }),
  );
  const inodes: number[] = [];
  for (const object of objects) {
    expect((await putTo('file://out', { policy, object })).verdict.kind).toBe('delivered');
    inodes.push((await stat(path)).ino);
  }
  expect(new Set(inodes).size).toBe(2);
  expect(gunzipSync(await readFile(path)).toString()).toBe('{"n":2}\n');
  expect(await readdir(join(fileRoot, 'out'))).toEqual(['o.log.gz']);
};

const leavesRoot: Driver = async () => {
  const [fileRoot, outside] = [await makeRoot(), await makeRoot()];
  await mkdir(join(fileRoot, 'out'));
  await symlink(outside, join(fileRoot, 'out', 'link-to-outside'));
  const object = makeObject({ key: 'out/link-to-outside/x/o.log.gz' });
  const policy = { allowPrivate: [], fileRoot };
  const result = await putTo('file://out/link-to-outside/x', { policy, object });
  expect(result.verdict.kind).toBe('refused');
  expect(await readdir(outside)).toEqual([]);
};

export const answerDrivers: Required<Drivers> = {
  logpush: { 'validation_probe-239': probe },
  badInputs: {
    'ssrf-dns': dns,
    'ssrf-redirect': redirect,
    'ssrf-other-path-03': proxy,
    tls,
    'ambiguous-ack-01': neverAnswers,
    'ambiguous-ack-02': captivePortal,
    'ambiguous-ack-03': multiStatus,
    'file-destination-01': replacesFile,
    'file-destination-03': leavesRoot,
  },
};
