import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { gzipSync } from 'node:zlib';

import { systemClock } from '@trailpush/runtime';
import type { AttemptResult } from '@trailpush/core';
import { createAuthority } from '@trailpush/test/kit/certificates.ts';
import { makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { HttpReceiver, type HttpReceiverOptions } from '@trailpush/test/kit/http-receiver.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { parseCidrs } from './address.ts';
import { openDestination } from './open-destination.ts';
import { parseDestination } from './registry.ts';

const policy = { allowPrivate: parseCidrs('127.0.0.0/8'), fileRoot: undefined };
const { logger } = createRecordingLogger();
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: HttpReceiverOptions = {}): Promise<HttpReceiver> {
  const receiver = await HttpReceiver.start(options);
  cleanups.push(() => receiver.stop());
  return receiver;
}

async function putTo(conf: string, object = makeObject()): Promise<AttemptResult> {
  const destination = openDestination(parseDestination(conf, policy), {
    clock: systemClock,
    logger,
  });
  cleanups.push(() => destination.close());
  return put(destination, object);
}

describe('a POST', () => {
  it('carries the lines in gzip, its defaults, and what it holds', async () => {
    const receiver = await start();
    const object = makeObject({ lines: '{"a":1}\n{"a":2}\n' });
    await putTo(`${receiver.origin}/in?tag=a:b,c{}&empty`, object);
    const [request] = receiver.received;
    expect(request).toMatchObject({ method: 'POST', url: '/in?tag=a:b,c{}&empty' });
    expect(request!.headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-type': 'application/x-ndjson',
      'content-length': String(object.bodyBytes),
      'idempotency-key': `"${object.idempotencyKey}"`,
      'trailpush-job-id': '7',
      'trailpush-partition': '3',
      'trailpush-first-offset': '100',
      'trailpush-last-offset': '199',
      'user-agent': expect.stringMatching(/^Trailpush\/\d+\.\d+\.\d+$/) as unknown,
    });
    expect(request!.headers).not.toHaveProperty('transfer-encoding');
    expect(receiver.lines()).toEqual(['{"a":1}', '{"a":2}']);
  });

  it('lets headers of the conf win over the defaults, and takes them out of the URL', async () => {
    const receiver = await start();
    await putTo(
      `${receiver.origin}?header_Content-Type=application/json&a=1&header_Authorization=Basic%20QTpC+/=&header_X-Latin=caf%C3%A9`,
    );
    const [request] = receiver.received;
    expect(request!.url).toBe('/?a=1');
    expect(request!.headers).toMatchObject({
      'content-type': 'application/json',
      authorization: 'Basic QTpC+/=',
      'x-latin': 'café',
    });
  });

  it('reports a refusal in the words of Logpush and of the receiver', async () => {
    const receiver = await start();
    const body = '{"message":"wrong Content-Type header, expecting application/json"}';
    receiver.faults.push({ then: { kind: 'answer', status: 415, body } });
    expect(await putTo(receiver.origin)).toEqual({
      verdict: { kind: 'refused' },
      status: 415,
      message: `error 415: error pushing: error uploading to https: 415 ${body}`,
    });
  });

  it('says that redirects are not followed, and sends nothing elsewhere', async () => {
    const [receiver, other] = [await start(), await start()];
    const headers = { location: `${other.origin}/` };
    receiver.faults.push({ then: { kind: 'answer', status: 307, headers } });
    const { message } = await putTo(`${receiver.origin}?header_Authorization=Bearer%20s3cret`);
    expect(message).toContain('redirects are not followed');
    expect(other.received).toHaveLength(0);
  });

  it('unpacks no answer', async () => {
    const receiver = await start();
    const headers = { 'content-encoding': 'gzip' };
    const body = gzipSync('x'.repeat(1_000_000));
    receiver.faults.push({ then: { kind: 'answer', status: 400, headers, body } });
    const { message } = await putTo(receiver.origin);
    expect(message).toBe('error 400: error pushing: error uploading to https: 400');
  });

  it('counts the answer of a receiver that refuses before it has read the body', async () => {
    const receiver = await start();
    receiver.faults.push({ early: true, then: { kind: 'answer', status: 413, body: 'too big' } });
    const lines = randomBytes(6_000_000).toString('base64');
    const result = await putTo(receiver.origin, makeObject({ lines }));
    expect(result).toMatchObject({ verdict: { kind: 'too_large' }, status: 413 });
  });

  it('does not take success for granted that comes before the whole body was sent', async () => {
    const receiver = await start();
    receiver.faults.push({ early: true, then: { kind: 'answer', status: 200 } });
    const lines = randomBytes(9_000_000).toString('base64');
    const result = await putTo(receiver.origin, makeObject({ lines }));
    expect(result).toMatchObject({ verdict: { kind: 'retry' }, status: 200 });
    expect(result.message).toContain('before the whole object was sent');
  });

  it('reads no more than the beginning of an endless answer', async () => {
    const server = createServer((request, response) => {
      const endless = new Readable({ read: () => void endless.push('x'.repeat(65_536)) });
      request.resume().once('end', () => pipeline(endless, response, () => undefined));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const closed = once(server, 'close');
    const { port } = server.address() as AddressInfo;
    const result = await putTo(`http://127.0.0.1:${port}`);
    server.close();
    expect(result.verdict.kind).toBe('delivered');
    // Ends only when the connection was cut.
    await closed;
  });

  it('says that nobody listens', async () => {
    const receiver = await HttpReceiver.start();
    const { origin } = receiver;
    await receiver.stop();
    expect(await putTo(origin)).toEqual({
      verdict: { kind: 'retry' },
      healthCode: 1101,
      message:
        'error 1101: error pushing: error uploading to https: 1101 ConnectionError: the host refused the connection (ECONNREFUSED)',
    });
  });
});

describe('TLS', () => {
  const authority = createAuthority();
  const stranger = createAuthority();
  const before = getCACertificates();
  beforeAll(() => setDefaultCACertificates([...before, authority.cert]));
  afterAll(() => setDefaultCACertificates(before));

  it('delivers to a certificate that is trusted and fits', async () => {
    const receiver = await start({ tls: authority.issue(['127.0.0.1']) });
    expect((await putTo(receiver.origin)).verdict.kind).toBe('delivered');
  });

  it.each([
    ['of an unknown authority', stranger.issue(['127.0.0.1']), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['that signed itself', stranger, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['that expired', authority.issue(['127.0.0.1'], { expired: true }), 'CERT_HAS_EXPIRED'],
    ['of another host', authority.issue(['other.example']), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('refuses a certificate %s and sends nothing', async (_what, { cert, key }, code) => {
    const receiver = await start({ tls: { cert, key } });
    const result = await putTo(`${receiver.origin}?header_Authorization=Bearer%20s3cret`);
    expect(result.verdict.kind).toBe('refused');
    expect(result.message).toContain(`(${code})`);
    expect(receiver.received).toHaveLength(0);
  });

  it('refuses TLS 1.1', async () => {
    const tls = {
      ...authority.issue(['127.0.0.1']),
      minVersion: 'TLSv1' as const,
      maxVersion: 'TLSv1.1' as const,
      ciphers: 'DEFAULT:@SECLEVEL=0',
    };
    const receiver = await start({ tls });
    expect(await putTo(receiver.origin)).toMatchObject({ verdict: { kind: 'refused' } });
  });

  it('refuses a port that does not speak TLS', async () => {
    const receiver = await start();
    const result = await putTo(receiver.origin.replace('http:', 'https:'));
    expect(result.verdict.kind).toBe('refused');
    expect(result.message).toContain('at a port without TLS');
  });
});
