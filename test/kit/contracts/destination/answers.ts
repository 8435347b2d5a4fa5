import { expect, it } from 'vitest';

import type { Verdict } from '@trailpush/core';

import type { HttpFault } from '../../http-fault.ts';
import { bodyOf, type DestinationHarness, makeObject, put, withPlace } from './suite.ts';

type Answer = readonly [
  name: string,
  status: number,
  verdict: Verdict['kind'],
  more?: { readonly headers?: Record<string, string>; readonly body?: string },
];

const COMMON: readonly Answer[] = [
  ['401', 401, 'refused'],
  ['403', 403, 'refused'],
  ['404', 404, 'refused'],
  ['405', 405, 'refused'],
  ['410', 410, 'refused'],
  [
    '301 to a metadata address',
    301,
    'refused',
    { headers: { location: 'http://169.254.169.254/' } },
  ],
  ['302 to loopback', 302, 'refused', { headers: { location: '//[::1]/' } }],
  ['302 to itself', 302, 'refused', { headers: { location: '/elsewhere' } }],
  ['307', 307, 'refused', { headers: { location: 'https://10.0.0.1/' } }],
  ['308', 308, 'refused', { headers: { location: 'https://10.0.0.1/' } }],
  ['408', 408, 'throttled'],
  ['409', 409, 'retry'],
  ['425', 425, 'throttled'],
  ['429', 429, 'throttled'],
  ['429 with Retry-After', 429, 'throttled', { headers: { 'retry-after': '7' } }],
  ['500', 500, 'retry'],
  ['501', 501, 'refused'],
  ['502 in HTML', 502, 'retry', { body: '<html>bad gateway</html>' }],
  ['503', 503, 'retry'],
  ['503 with Retry-After', 503, 'throttled', { headers: { 'retry-after': '7' } }],
  ['504', 504, 'retry'],
  ['520', 520, 'retry'],
];

const HTTP: readonly Answer[] = [
  ...COMMON,
  ['200', 200, 'delivered'],
  ['202', 202, 'delivered'],
  ['204', 204, 'delivered'],
  ['200 with a body of 1 MB', 200, 'delivered', { body: 'x'.repeat(1_000_000) }],
  ['207', 207, 'refused'],
  ['400', 400, 'rejected'],
  ['413', 413, 'too_large'],
  ['415', 415, 'refused'],
  ['422', 422, 'rejected'],
];

const hec = (code: number): { body: string } => ({ body: JSON.stringify({ text: 'words', code }) });

/** Splunk answers in JSON, and its code says more than the status. */
const SPLUNK: readonly Answer[] = [
  ...COMMON,
  ['200 with code 0', 200, 'delivered', hec(0)],
  ['200 of something else', 200, 'retry', { body: '<html>log in first</html>' }],
  ['200 with another code', 200, 'retry', hec(9)],
  ['200 with nothing', 200, 'retry'],
  ['204', 204, 'retry'],
  ['token disabled', 403, 'refused', hec(1)],
  ['invalid token', 403, 'refused', hec(4)],
  ['no data', 400, 'rejected', hec(5)],
  ['invalid data format', 400, 'rejected', hec(6)],
  ['incorrect index', 400, 'refused', hec(7)],
  ['channel missing', 400, 'refused', hec(10)],
  ['invalid channel', 400, 'refused', hec(11)],
  ['acknowledgements disabled', 400, 'refused', hec(14)],
  ['internal error', 500, 'retry', hec(8)],
  ['busy', 503, 'retry', hec(9)],
  ['queues full', 429, 'throttled', hec(26)],
  ['413', 413, 'too_large', { body: 'null' }],
];

const xml = (code: string): { body: string } => ({
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>words</Message></Error>`,
});

const S3: readonly Answer[] = [
  ...COMMON,
  ['200 without ETag', 200, 'retry', { body: '<html>log in first</html>' }],
  ['204', 204, 'retry'],
  ['400', 400, 'refused'],
  ['413', 413, 'refused'],
  ['EntityTooLarge', 400, 'refused', xml('EntityTooLarge')],
  ['AccessDenied', 403, 'refused', xml('AccessDenied')],
  ['NoSuchBucket', 404, 'refused', xml('NoSuchBucket')],
  ['InvalidAccessKeyId', 403, 'refused', xml('InvalidAccessKeyId')],
  ['SignatureDoesNotMatch', 403, 'refused', xml('SignatureDoesNotMatch')],
  ['ExpiredToken', 400, 'refused', xml('ExpiredToken')],
  ['PermanentRedirect', 301, 'refused', xml('PermanentRedirect')],
  ['RequestTimeTooSkewed', 403, 'retry', xml('RequestTimeTooSkewed')],
  ['BadDigest', 400, 'retry', xml('BadDigest')],
  ['XAmzContentSHA256Mismatch', 400, 'retry', xml('XAmzContentSHA256Mismatch')],
  ['IncompleteBody', 400, 'retry', xml('IncompleteBody')],
  ['RequestTimeout', 400, 'retry', xml('RequestTimeout')],
  ['OperationAborted', 409, 'retry', xml('OperationAborted')],
  ['SlowDown', 503, 'throttled', xml('SlowDown')],
  ['InternalError', 500, 'retry', xml('InternalError')],
  ['NotImplemented', 501, 'refused', xml('NotImplemented')],
];

const azureError = (code: string): { body: string } => ({
  body: `\ufeff<?xml version="1.0"?><Error><Code>${code}</Code><Message>words</Message></Error>`,
});

const AZURE: readonly Answer[] = [
  ...COMMON,
  ['200', 200, 'retry', { headers: { etag: '"e"' } }],
  ['201 without ETag', 201, 'retry', { body: '<html>log in first</html>' }],
  ['400', 400, 'refused'],
  ['413', 413, 'refused'],
  ['AuthenticationFailed', 403, 'refused', azureError('AuthenticationFailed')],
  ['ContainerNotFound', 404, 'refused', azureError('ContainerNotFound')],
  ['Md5Mismatch', 400, 'retry', azureError('Md5Mismatch')],
  ['ServerBusy', 503, 'throttled', azureError('ServerBusy')],
  ['OperationTimedOut', 500, 'retry', azureError('OperationTimedOut')],
  ['BlobImmutableDueToPolicy', 409, 'refused', azureError('BlobImmutableDueToPolicy')],
  ['a code in a header', 409, 'refused', { headers: { 'x-ms-error-code': 'InvalidBlobType' } }],
  ['LeaseIdMissing', 412, 'refused', azureError('LeaseIdMissing')],
];

const googleError = (reason: string, message = 'words'): { body: string } => ({
  body: JSON.stringify({ error: { message, errors: [{ reason, message }] } }),
});

const GOOGLE: readonly Answer[] = [
  ...COMMON,
  ['200 of something else', 200, 'retry', { body: '<html>log in first</html>' }],
  ['200 about another object', 200, 'retry', { body: '{"name":"x","md5Hash":"y"}' }],
  ['400', 400, 'refused', googleError('invalid')],
  [
    '400 about damage',
    400,
    'retry',
    googleError('invalid', 'Provided MD5 hash "a" doesn\'t match calculated MD5 hash "b".'),
  ],
  ['413', 413, 'refused'],
  ['forbidden', 403, 'refused', googleError('forbidden')],
  ['too fast, as 403', 403, 'throttled', googleError('rateLimitExceeded')],
  ['no such bucket', 404, 'refused', googleError('notFound')],
  ['412', 412, 'refused', googleError('conditionNotMet')],
  ['an error that is none', 503, 'retry', { body: '{"error":"x"}' }],
];

const TABLES = { azure: AZURE, gs: GOOGLE, s3: S3, http: HTTP, splunk: SPLUNK, none: [] };

/** Only for servers that can be scripted: what each answer means. */
export function answersContract(harness: DestinationHarness): void {
  for (const [name, status, kind, more = {}] of TABLES[harness.answers]) {
    it(`judges the answer ${name} as ${kind}`, () =>
      withPlace(harness, async (place) => {
        place.faults!.push({ then: { kind: 'answer', status, ...more } });
        const result = await put(place.destination, makeObject());
        expect(result.verdict.kind).toBe(kind);
        expect(result.status).toBe(status);
        if (kind !== 'delivered') expect(result.message).toMatch(wordingOf(status));
        if (more.headers?.['retry-after'] !== undefined) {
          expect(result.verdict).toEqual({ kind: 'throttled', retryAfterMs: 7_000 });
        }
      }));
  }

  const lost: readonly (readonly [string, HttpFault])[] = [
    ['the connection is reset before the body', { then: { kind: 'reset', when: 'before_body' } }],
    ['the connection is reset after the body', { then: { kind: 'reset', when: 'after_body' } }],
    ['only the answer is lost', { store: true, then: { kind: 'reset', when: 'after_body' } }],
    [
      'the answer is cut short',
      { store: true, then: { kind: 'cut_answer', headers: { etag: '"e"' } } },
    ],
  ];
  it.each(lost)('gives retry when %s, and delivers the next time', (_name, fault) =>
    withPlace(harness, async (place) => {
      place.faults!.push(fault);
      const object = makeObject();
      const first = await put(place.destination, object);
      expect(first.verdict.kind).toBe('retry');
      expect(first.message).toMatch(/^error 11\d\d: error pushing: error uploading to /);
      const second = await put(place.destination, object);
      expect(['delivered', 'throttled']).toContain(second.verdict.kind);
      const stored = await place.stored();
      expect(stored.size).toBe(1);
      for (const body of [...stored.values()].flat())
        expect(body.equals(bodyOf(object))).toBe(true);
    }),
  );
}

function wordingOf(status: number): RegExp {
  return new RegExp(`^error ${status}: error pushing: error uploading to \\w+: ${status}`);
}
