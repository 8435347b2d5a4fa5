import { describe, expect, it } from 'vitest';

import { objectKey, parsePathTemplate, probeKey } from './object-key.ts';

describe('objectKey', () => {
  const lastMsOfYear = Date.parse('2025-12-31T23:59:59.999Z');

  it.each([
    ['', 'o.log.gz'],
    ['logs', 'logs/o.log.gz'],
    ['logs/{DATE}', 'logs/20251231/o.log.gz'],
    ['v2/dt={DATE}/x', 'v2/dt=20251231/x/o.log.gz'],
    ['{YEAR}/{MONTH}/{DAY}', '2025/12/31/o.log.gz'],
    ['{DATE}/{HOUR}', '20251231/23/o.log.gz'],
    ['y={YEAR}/h={HOUR}{DAY}', 'y=2025/h=2331/o.log.gz'],
    ['{DATE}/{DATE}', '20251231/20251231/o.log.gz'],
  ])('puts an object of %j at %s', (template, key) => {
    expect(objectKey(template, lastMsOfYear, 'o.log.gz')).toBe(key);
  });

  it('takes the date in UTC', () => {
    expect(objectKey('{DATE}', lastMsOfYear + 1, 'o')).toBe('20260101/o');
  });
});

describe('parsePathTemplate', () => {
  it.each([
    ['', ''],
    ['/', ''],
    ['/logs/', 'logs'],
    ['/a%20b/%E2%82%AC', 'a b/€'],
    ['/a+b', 'a+b'],
    ['/100%25', '100%'],
  ])('decodes %j once, to %j', (raw, path) => expect(parsePathTemplate(raw)).toBe(path));

  it.each([
    '/a%5Cb',
    '/a%252Fb',
    '/a%252e%252e',
    '/a%C2%85',
    '/%2E',
    '/a%FF',
    '/{MINUTE}',
    '/{date}',
    '/a}',
  ])('refuses %j', (raw) =>
    expect(() => parsePathTemplate(raw)).toThrow('invalid destination_conf: '),
  );
});

describe('probeKey', () => {
  it.each([
    ['', '_trailpush/test.txt.gz'],
    ['logs', 'logs/_trailpush/test.txt.gz'],
    ['logs/{DATE}', 'logs/_trailpush/test.txt.gz'],
    ['logs/{YEAR}/{MONTH}', 'logs/_trailpush/test.txt.gz'],
    ['{DATE}/x', '_trailpush/test.txt.gz'],
    ['a/dt={DATE}/b', 'a/_trailpush/test.txt.gz'],
  ])('of %j is %s, whatever the day', (template, key) => expect(probeKey(template)).toBe(key));
});
