import { describe, expect, it } from 'vitest';

import { redactConf, restoreConf } from './secrets.ts';

const S3 =
  's3://bucket/logs?region=us-east-1&access-key-id=AK&secret-access-key=SECRET&endpoint=s3.example.com';
const R2 = 'r2://bucket/logs?account-id=0123&access-key-id=AK&secret-access-key=SECRET';

describe('redactConf', () => {
  it.each([
    [S3, S3.replace('SECRET', 'REDACTED')],
    [R2, R2.replace('SECRET', 'REDACTED')],
    ['https://a.example/x?updated=true', 'https://a.example/x?updated=true'],
    [
      'https://logs.example.com?header_Authorization=Basic%20QTpC&tags=host:a.example,dataset:http_requests',
      'https://logs.example.com?header_Authorization=REDACTED&tags=host:a.example,dataset:http_requests',
    ],
    [
      'https://a.example/in?header_Content-Type=application/json&header_X-Any=v',
      'https://a.example/in?header_Content-Type=application/json&header_X-Any=REDACTED',
    ],
    [
      'https://log-api.newrelic.com/log/v1?Api-Key=KEY&format=cloudflare',
      'https://log-api.newrelic.com/log/v1?Api-Key=REDACTED&format=cloudflare',
    ],
    [
      'https://a.example/x?channel=11111111-2222-3333-4444-555555555555&sourcetype=cloudflare:json',
      'https://a.example/x?channel=REDACTED&sourcetype=cloudflare:json',
    ],
    [
      'https://hooks.example/services/T0/XyZ9XyZ9XyZ9XyZ9XyZ9',
      'https://hooks.example/services/T0/REDACTED',
    ],
    ['https://user:pass@a.example/', 'https://REDACTED@a.example/'],
    ['file://out/{DATE}', 'file://out/{DATE}'],
    ['HTTPS://A.example/?token=', 'HTTPS://A.example/?token='],
    ['not a conf with=secret', 'REDACTED'],
  ])('shows %s as %s', (conf, shown) => expect(redactConf(conf)).toBe(shown));
});

describe('restoreConf', () => {
  it.each([
    S3,
    R2,
    'https://a.example/x?header_A=b&key=c',
    'https://h.example/XyZ9XyZ9XyZ9XyZ9XyZ9',
  ])('makes %s of its redacted form again', (conf) =>
    expect(restoreConf(redactConf(conf), conf)).toBe(conf),
  );

  it('leaves a conf without masks alone, wherever it leads', () => {
    expect(restoreConf('https://b.example/', S3)).toBe('https://b.example/');
  });

  it('keeps the secret when path, region or other parameters change', () => {
    const changed = S3.replace('SECRET', 'REDACTED')
      .replace('/logs', '/other')
      .replace('us-east-1', 'eu-west-1');
    expect(restoreConf(changed, S3)).toContain('secret-access-key=SECRET&');
  });

  it.each([
    ['bucket', S3.replace('//bucket', '//other-bucket')],
    ['endpoint', S3.replace('s3.example.com', 'evil.example')],
    ['endpoint, spelled encoded', S3.replace('endpoint', 'end%70oint').replace('s3.ex', 'evil.ex')],
    ['a second endpoint', `${S3}&endpoint=evil.example`],
    ['endpoint taken away', S3.replace('&endpoint=s3.example.com', '')],
    ['scheme', S3.replace('s3:', 'r2:')],
  ])('keeps no secret when this changes: %s', (_what, conf) => {
    expect(() => restoreConf(conf.replace('SECRET', 'REDACTED'), S3)).toThrow('stay the same');
  });

  it.each([
    ['host', 'https://evil.example/x?header_A=REDACTED'],
    ['port', 'https://a.example:8443/x?header_A=REDACTED'],
    ['scheme', 'http://a.example/x?header_A=REDACTED'],
    ['user', 'https://a.example@evil.example/x?header_A=REDACTED'],
  ])('keeps no header when this changes: %s', (_what, conf) => {
    expect(() => restoreConf(conf, 'https://a.example/x?header_A=b')).toThrow('stay the same');
  });

  it('keeps no secret when the account of R2 changes', () => {
    const conf = R2.replace('SECRET', 'REDACTED').replace('=0123&', '=4567&');
    expect(() => restoreConf(conf, R2)).toThrow('stay the same');
  });

  it('refuses a mask for which nothing is stored, and moves no secret to another name', () => {
    expect(() =>
      restoreConf('https://a.example/?header_B=REDACTED', 'https://a.example/?header_A=b'),
    ).toThrow('header_B is REDACTED, but the job has none stored');
  });

  it('refuses a path that changed around a masked segment', () => {
    expect(() =>
      restoreConf('https://h.example/new/REDACTED', 'https://h.example/old/XyZ9XyZ9XyZ9XyZ9XyZ9'),
    ).toThrow('send the segment itself');
  });
});
