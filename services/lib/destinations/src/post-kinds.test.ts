import { systemClock } from '@trailpush/runtime';
import type { AttemptResult } from '@trailpush/core';
import { createAuthority } from '@trailpush/test/kit/certificates.ts';
import { LOOPBACK_POLICY } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { HttpReceiver } from '@trailpush/test/kit/http-receiver.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import {
  datadogVendor,
  elasticVendor,
  newRelicVendor,
  splunkVendor,
  sumoVendor,
} from '@trailpush/test/kit/vendors.ts';
import { describe, expect, it, onTestFinished } from 'vitest';

import { openHttpPost } from './http-post.ts';
import { knownReceiver } from './https.ts';
import { openDestination } from './open-destination.ts';
import { parseTarget } from './policy.ts';
import { parseDestination } from './registry.ts';
import { redactConf, restoreConf } from './secrets.ts';

const NO_PRIVATE = { allowPrivate: [], fileRoot: undefined };
const { logger } = createRecordingLogger();
const deps = { clock: systemClock, logger };

const TOKEN = 'e6d94e8c-5792-4ad1-be3c-29bcaee0197d';
const SPLUNK = `splunk://splunk.example.com:8088/services/collector/raw?channel=11111111-2222-3333-4444-555555555555&insecure-skip-verify=false&sourcetype=cloudflare:json&header_Authorization=Splunk%20${TOKEN}`;
const DATADOG =
  'datadog://http-intake.logs.datadoghq.com/v1/input?header_DD-API-KEY=k1&ddsource=cloudflare&service=s&host=h&ddtags=a:b';
const SUMO = 'sumo://endpoint4.collection.us2.sumologic.com/receiver/v1/http/CODE';

describe('the confs of vendors', () => {
  it.each([
    [SPLUNK, 'splunk', 'splunk://splunk.example.com:8088', ['Splunk ' + TOKEN, TOKEN]],
    [SPLUNK.replace(':8088', ''), 'splunk', 'splunk://splunk.example.com', undefined],
    [SPLUNK.replace(':8088', ':443'), 'splunk', 'splunk://splunk.example.com', undefined],
    [DATADOG, 'datadog', 'datadog://http-intake.logs.datadoghq.com', ['k1']],
    [SUMO, 'sumo', 'sumo://endpoint4.collection.us2.sumologic.com', ['CODE']],
  ])('are taken as documented: %s', (conf, kind, location, secrets) => {
    const parsed = parseDestination(conf, NO_PRIVATE);
    expect(parsed).toMatchObject({ kind, location, pathTemplate: '', exactlyOnce: false });
    if (secrets) expect(parsed.secrets.map((secret) => secret.reveal())).toEqual(secrets);
  });

  it.each([
    [SPLUNK.replace(':8088', ':9997'), 'port 9997: it can only be 443 or 8088'],
    [SPLUNK.replace('/raw', '/event'), 'the path must be /services/collector/raw'],
    [SPLUNK.replace(/channel=[^&]*&/, ''), 'channel must be provided'],
    [SPLUNK.replace(/&header_.*/, ''), 'header_Authorization must be provided'],
    [SPLUNK.replace('=false', '=yes'), 'insecure-skip-verify yes must be true or false'],
    [SPLUNK.replace('=false', '=true'), 'trust the certificate with NODE_EXTRA_CA_CERTS'],
    [SPLUNK.replace('sourcetype', 'sourcetyp'), 'unknown parameter sourcetyp for splunk'],
    [SPLUNK.replace('splunk.example.com', '10.0.0.1'), 'address 10.0.0.1 is not public'],
    [DATADOG.replace('header_DD-API-KEY', 'header_Key'), 'header_DD-API-KEY must be provided'],
    [`${DATADOG}&dd-api-key=k`, 'unknown parameter dd-api-key for datadog'],
    ['datadog:///v1/input?header_DD-API-KEY=k', 'datadog:// needs a host'],
    [SUMO.replace('/CODE', ''), 'must be the URL of an HTTP source'],
    [`${SUMO}/more`, 'must be the URL of an HTTP source'],
    [`${SUMO}?x=1`, 'unknown parameter x for sumo: it takes none'],
  ])('are refused with the reason: %s', (conf, reason) => {
    expect(() => parseDestination(conf, NO_PRIVATE)).toThrow(reason);
  });

  it.each([
    [SPLUNK, SPLUNK.replace(/Splunk%20.*/, 'REDACTED')],
    [DATADOG, DATADOG.replace('=k1', '=REDACTED')],
    [SUMO, SUMO.replace('CODE', 'REDACTED')],
  ])('show no secret, and nothing else is hidden: %s', (conf, shown) => {
    expect(redactConf(conf)).toBe(shown);
    expect(restoreConf(shown, conf)).toBe(conf);
    expect(() => restoreConf(shown.replace('.com', '.net'), conf)).toThrow('stay the same');
    expect(() => parseDestination(shown, NO_PRIVATE)).toThrow('REDACTED');
  });
});

async function startReceiver(
  options: Parameters<typeof HttpReceiver.start>[0],
): Promise<HttpReceiver> {
  const receiver = await HttpReceiver.start(options);
  onTestFinished(() => receiver.stop());
  return receiver;
}

async function send(conf: string): Promise<AttemptResult> {
  const destination = openDestination(parseDestination(conf, LOOPBACK_POLICY), deps);
  onTestFinished(() => destination.close());
  return put(destination, makeObject());
}

describe('the most that a vendor takes at once', () => {
  it.each([
    [DATADOG, { payloadBytes: 5_000_000, records: 1_000 }],
    [
      'https://log-api.newrelic.com/log/v1?Api-Key=K&format=cloudflare',
      { payloadBytes: 5_000_000, records: 10_000 },
    ],
    ['https://a.example/', undefined],
  ])('is known for %s', (conf, maxima) => {
    expect(parseDestination(conf, NO_PRIVATE).maxima).toEqual(maxima);
  });
});

describe('vendors behind https://', () => {
  it('Elastic takes objects of the documented conf, and says what is wrong with another', async () => {
    const { origin } = await startReceiver({ answer: elasticVendor('X-Secret', 's3cret') });
    const conf = `${origin}/?header_Content-Type=application/json&header_X-Secret=s3cret`;
    expect((await send(conf)).verdict.kind).toBe('delivered');
    const { verdict, message } = await send(`${origin}/?header_X-Secret=s3cret`);
    expect(verdict.kind).toBe('refused');
    expect(message).toContain('wrong Content-Type header, expecting application/json');
  });

  it('New Relic takes objects of the documented conf', async () => {
    const { origin } = await startReceiver({ answer: newRelicVendor('KEY') });
    const address = `${origin}/log/v1?Api-Key=KEY&format=cloudflare`;
    const { contentType } = knownReceiver('log-api.eu.newrelic.com');
    const target = parseTarget(address, 'the address', LOOPBACK_POLICY);
    const uploader = openHttpPost({ target, headers: new Map(), contentType }, deps);
    const outcome = await uploader.upload(makeObject(), new AbortController().signal);
    await uploader.close();
    expect(outcome).toEqual({ kind: 'delivered', status: 202 });
    expect(knownReceiver('newrelic.com.example')).toEqual({});
  });
});

describe('a splunk certificate that nobody trusts', () => {
  it('is accepted with insecure-skip-verify where http:// would be, and nowhere else', async () => {
    const conf = SPLUNK.replace('splunk.example.com', '127.0.0.1').replace('=false', '=true');
    expect(parseDestination(conf, LOOPBACK_POLICY).location).toBe('splunk://127.0.0.1:8088');
    const elsewhere = conf.replace('127.0.0.1', '93.184.216.34');
    expect(() => parseDestination(elsewhere, LOOPBACK_POLICY)).toThrow(
      'TLS without verification to 93.184.216.34 is not allowed',
    );
    const { origin } = await startReceiver({ tls: createAuthority().issue(['other.example']) });
    for (const unverified of [true, false]) {
      const target = parseTarget(origin, 'the address', LOOPBACK_POLICY, { unverified });
      const uploader = openHttpPost({ target, headers: new Map() }, deps);
      const upload = uploader.upload(makeObject(), new AbortController().signal);
      if (unverified) expect(await upload).toMatchObject({ kind: 'delivered' });
      else await expect(upload).rejects.toThrow('certificate');
      await uploader.close();
    }
  });
});

describe('the vendors of the kit', () => {
  it.each([
    ['Splunk', splunkVendor({ token: 't', channel: 'c' })],
    ['Datadog', datadogVendor('k')],
    ['Sumo Logic', sumoVendor('code')],
    ['New Relic', newRelicVendor('k')],
    ['Elastic', elasticVendor('a', 'b')],
  ])('%s refuses a request without credentials', async (_name, answer) => {
    const { origin } = await startReceiver({ answer });
    expect((await send(`${origin}/`)).verdict.kind).not.toBe('delivered');
  });
});
