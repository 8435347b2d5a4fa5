import { describe, expect, it } from 'vitest';

import {
  FAULT_VERDICTS,
  faultOf,
  httpVerdict,
  LOGPUSH_CODES,
  parseRetryAfter,
  S3_CODE_VERDICTS,
  s3Verdict,
} from './verdict.ts';

/** Every status from 200 on, as ranges, so that nothing is decided by accident. */
const HTTP: readonly (readonly [from: number, to: number, kind: string])[] = [
  [200, 206, 'delivered'],
  [207, 207, 'refused'],
  [208, 299, 'delivered'],
  [300, 399, 'refused'],
  [400, 400, 'rejected'],
  [401, 407, 'refused'],
  [408, 408, 'throttled'],
  [409, 409, 'retry'],
  [410, 412, 'refused'],
  [413, 413, 'too_large'],
  [414, 420, 'refused'],
  [421, 421, 'retry'],
  [422, 422, 'rejected'],
  [423, 424, 'refused'],
  [425, 425, 'throttled'],
  [426, 428, 'refused'],
  [429, 429, 'throttled'],
  [430, 499, 'refused'],
  [500, 500, 'retry'],
  [501, 501, 'refused'],
  [502, 504, 'retry'],
  [505, 505, 'refused'],
  [506, 599, 'retry'],
];

describe('the verdict table', () => {
  it.each(HTTP)('judges the answers %i to %i of a receiver as %s', (from, to, kind) => {
    for (let status = from; status <= to; status += 1) {
      expect([status, httpVerdict(status, undefined).kind]).toEqual([status, kind]);
    }
  });

  it('leaves no status out', () => {
    expect(HTTP[0]?.[0]).toBe(200);
    for (const [index, [from]] of HTTP.entries()) {
      if (index > 0) expect(from).toBe(HTTP[index - 1]![1] + 1);
    }
  });

  it('never blames the body, and never takes a status for success, on object stores', () => {
    for (const [from, to, kind] of HTTP) {
      const expected =
        kind === 'rejected' || kind === 'too_large'
          ? 'refused'
          : kind === 'delivered'
            ? 'retry'
            : kind;
      for (let status = from; status <= to; status += 1) {
        expect([status, s3Verdict(status, undefined, undefined).kind]).toEqual([status, expected]);
      }
    }
  });

  it.each([...S3_CODE_VERDICTS])(
    'judges the S3 code %s as %s whatever its status',
    (code, kind) => {
      for (const status of [400, 403, 409, 500, 503]) {
        expect(s3Verdict(status, code, undefined).kind).toBe(kind);
      }
    },
  );

  it('waits as long as a busy receiver says, and only then', () => {
    expect(httpVerdict(429, 7_000)).toEqual({ kind: 'throttled', retryAfterMs: 7_000 });
    expect(httpVerdict(503, 7_000)).toEqual({ kind: 'throttled', retryAfterMs: 7_000 });
    expect(httpVerdict(429, undefined)).toEqual({ kind: 'throttled', retryAfterMs: 1_000 });
    expect(httpVerdict(503, undefined)).toEqual({ kind: 'retry' });
    expect(httpVerdict(401, 7_000)).toEqual({ kind: 'refused' });
  });

  it.each([...FAULT_VERDICTS])(
    'gives the fault %s a verdict and a code of Logpush',
    (code, row) => {
      expect(faultOf(code)).toBe(row);
      expect(['retry', 'refused']).toContain(row.verdict);
      expect(LOGPUSH_CODES[row.type]).toBeGreaterThan(1100);
    },
  );

  it.each([
    'CERT_HAS_EXPIRED',
    'CERT_NOT_YET_VALID',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    'ERR_SSL_UNSUPPORTED_PROTOCOL',
    'EPROTO',
    'ENOTFOUND',
    'address_blocked',
    'EACCES',
  ])('leaves %s to a person', (code) => expect(faultOf(code).verdict).toBe('refused'));

  it.each([
    'ECONNRESET',
    'EAI_AGAIN',
    'ENOSPC',
    'no_address',
    'deadline',
    'ERR_SSL_BAD_RECORD',
    undefined,
  ])('tries %s again', (code) => expect(faultOf(code).verdict).toBe('retry'));
});

describe('parseRetryAfter', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z');

  it.each([
    ['7', 7_000],
    [' 7 ', 7_000],
    ['0', 1_000],
    ['999999', 3_600_000],
    ['99999999999999999999999', 3_600_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Thu, 01 Jan 2026 05:00:00 GMT', 3_600_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 1_000],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['Thu, garbage', undefined],
    ['2026-01-01', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('reads %j as %j ms', (header, ms) => expect(parseRetryAfter(header, nowMs)).toBe(ms));
});
