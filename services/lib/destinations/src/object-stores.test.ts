import { Secret } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { LOOPBACK_POLICY } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { makeObject } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { createGoogleKey } from '@trailpush/test/kit/google-key.ts';
import { HttpReceiver } from '@trailpush/test/kit/http-receiver.ts';
import { gcsVendor } from '@trailpush/test/kit/object-vendors.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { describe, expect, it, onTestFinished } from 'vitest';

import { gcsUpload } from './gcs-upload.ts';
import { parseTarget } from './policy.ts';
import { parseDestination } from './registry.ts';
import { redactConf, restoreConf } from './secrets.ts';
import { parseServiceAccount, signToken } from './service-account.ts';
import { openStorePut } from './store-put.ts';

const NO_PRIVATE = { allowPrivate: [], fileRoot: undefined };
const SAS = 'sv=2022-11-02&ss=b&srt=o&sp=w&se=2031-01-01T00:00:00Z&sig=a%2Bbc%3D';
const AZURE = `azure://acct.blob.core.windows.net/container/logs/{DATE}?${SAS}`;
const key = createGoogleKey();
const { json, credentials } = key;
const { logger } = createRecordingLogger();
const GS = `gs://bucket/v2/http/dt={DATE}?credentials=${credentials}`;

describe('azure://', () => {
  it('is taken as documented', () => {
    expect(parseDestination(AZURE, NO_PRIVATE)).toMatchObject({
      kind: 'azure',
      location: 'azure://acct.blob.core.windows.net/container',
      pathTemplate: 'logs/{DATE}',
      exactlyOnce: true,
    });
  });

  it('has its secret in the signature alone', () => {
    const secrets = parseDestination(AZURE, NO_PRIVATE).secrets.map((one) => one.reveal());
    expect(secrets).toEqual(['a+bc=']);
    const shown = redactConf(AZURE);
    expect(shown).toBe(AZURE.replace('a%2Bbc%3D', 'REDACTED'));
    expect(restoreConf(shown.replace('/logs/', '/other/'), AZURE)).toBe(
      AZURE.replace('/logs/', '/other/'),
    );
    expect(() => restoreConf(shown.replace('/container/', '/another/'), AZURE)).toThrow(
      'stay the same',
    );
  });

  it('takes the account from the path where the host is an address', () => {
    const policy = { allowPrivate: [], fileRoot: undefined };
    const conf = `azure://93.184.216.34:10000/acct1/container/a/b?${SAS}`;
    expect(parseDestination(conf, policy)).toMatchObject({
      location: 'azure://93.184.216.34:10000/acct1/container',
      pathTemplate: 'a/b',
    });
    const shown = redactConf(conf);
    expect(() => restoreConf(shown.replace('/container/', '/another/'), conf)).toThrow(
      'stay the same',
    );
  });

  it.each([
    [AZURE.replace(/&sig=.*/, ''), 'sig must be provided'],
    [AZURE.replace('sv=2022-11-02&', ''), 'sv must be provided'],
    [AZURE.replace('sp=w', 'sp=rl'), 'sp must hold w'],
    [AZURE.replace('sp=w&', ''), 'sp must hold w'],
    [AZURE.replace('ss=b', 'ss=q'), 'ss must hold b'],
    [AZURE.replace('srt=o', 'srt=sc'), 'srt must hold o'],
    [AZURE.replace('ss=b&srt=o', 'sr=b'), 'sr must be c'],
    [`${AZURE}&spr=http`, 'spr must hold https'],
    [`${AZURE}&x=1`, 'unknown parameter x for azure'],
    [`azure://acct.blob.core.windows.net?${SAS}`, 'a container must be provided'],
    [`azure://acct.blob.core.windows.net/Logs?${SAS}`, 'container Logs must have 3 to 63'],
    [`azure://10.0.0.5/acct1/logs?${SAS}`, 'address 10.0.0.5 is not public'],
    [`azure://acct.blob.core.windows.net:22/logs?${SAS}`, 'port 22'],
    [`azure://acct.blob.core.windows.net/logs/../x?${SAS}`, 'segment ".."'],
  ])('is refused with the reason: %s', (conf, reason) => {
    expect(() => parseDestination(conf, NO_PRIVATE)).toThrow(reason);
  });

  it('takes a SAS of a container', () => {
    const conf = AZURE.replace('ss=b&srt=o', 'sr=c');
    expect(parseDestination(conf, NO_PRIVATE).kind).toBe('azure');
  });
});

describe('gs://', () => {
  it('is taken with credentials of its own', () => {
    expect(parseDestination(GS, NO_PRIVATE)).toMatchObject({
      kind: 'gs',
      location: 'gs://bucket',
      pathTemplate: 'v2/http/dt={DATE}',
      exactlyOnce: true,
    });
    expect(redactConf(GS)).toBe('gs://bucket/v2/http/dt={DATE}?credentials=REDACTED');
    expect(restoreConf(redactConf(GS), GS)).toBe(GS);
  });

  it("is taken as Logpush has it with the operator's key", () => {
    const policy = { ...NO_PRIVATE, googleKey: new Secret(json) };
    expect(parseDestination('gs://bucket/v2', policy).location).toBe('gs://bucket');
  });

  it('hides the private key and every form of the credentials', () => {
    const secrets = parseDestination(GS, NO_PRIVATE).secrets.map((one) => one.reveal());
    expect(secrets).toContain((JSON.parse(json) as { private_key: string }).private_key);
    expect(secrets).toContain(credentials.replace('base64:', ''));
  });

  const encode = (text: string): string => `base64:${Buffer.from(text).toString('base64')}`;
  it.each([
    ['gs://bucket/x', 'TRAILPUSH_GOOGLE_KEY_FILE'],
    ['gs:///x', 'bucket must be provided'],
    [`gs://Bucket?credentials=${credentials}`, 'bucket Bucket must have 3 to 63'],
    [`gs://bucket?credentials=${credentials}&region=eu`, 'unknown parameter region for gs'],
    ['gs://bucket?credentials=e30=', 'credentials must be base64: and the JSON key'],
    ['gs://bucket?credentials=base64:e', 'it is no JSON object'],
    [`gs://bucket?credentials=${encode('{"a":"planted-secret"}')}`, 'with client_email and'],
    [
      `gs://bucket?credentials=${encode('{"client_email":"a","private_key":"planted-secret"}')}`,
      'private_key is not an RSA key in PEM',
    ],
  ])('is refused with the reason: %s', (conf, reason) => {
    const refusal = refusalOf(conf);
    expect(refusal).toContain(reason);
    expect(refusal).not.toContain('planted-secret');
  });
});

function refusalOf(conf: string): string {
  try {
    parseDestination(conf, NO_PRIVATE);
  } catch (error) {
    return String(error);
  }
  throw new Error('it was accepted');
}

describe('an upload to gs://', () => {
  it.each([
    ['of other bytes', { md5Hash: 'AAAAAAAAAAAAAAAAAAAAAA==' }],
    ['of another name', { name: 'logs/other.log.gz' }],
  ])('does not count when the answer tells %s', async (_what, change) => {
    const { email, publicKey } = key;
    const vendor = gcsVendor({ bucket: 'bucket', email, publicKey });
    const receiver = await HttpReceiver.start({
      answer: (request) => {
        const { status, body = '' } = vendor.answer(request);
        return { status, body: JSON.stringify({ ...(JSON.parse(body) as object), ...change }) };
      },
    });
    onTestFinished(() => receiver.stop());
    const target = parseTarget(receiver.origin, 'the address', LOOPBACK_POLICY);
    const protocol = gcsUpload(target, 'bucket', parseServiceAccount(json));
    const uploader = openStorePut(target, protocol, { clock: systemClock, logger });
    const outcome = await uploader.upload(makeObject(), new AbortController().signal);
    await uploader.close();
    expect(outcome).toMatchObject({ kind: 'failed', verdict: { kind: 'retry' }, status: 200 });
  });
});

describe('a token of a service account', () => {
  it('begins a minute ago and ends within the hour that Google allows', () => {
    const token = signToken(parseServiceAccount(json), Date.UTC(2026, 0, 1));
    const claims = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, number>;
    const now = Date.UTC(2026, 0, 1) / 1_000;
    expect(claims).toMatchObject({ iat: now - 60, exp: now + 3_540 });
  });
});
