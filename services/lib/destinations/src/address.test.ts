import { describe, expect, it } from 'vitest';

import { cidrContains, isPublic, parseAddress, parseCidr, parseCidrs } from './address.ts';

/** First address, last address and their neighbours of each forbidden range. */
const EDGES: readonly (readonly [before: string, first: string, last: string, after: string])[] = [
  ['', '0.0.0.0', '0.255.255.255', '1.0.0.0'],
  ['9.255.255.255', '10.0.0.0', '10.255.255.255', '11.0.0.0'],
  ['100.63.255.255', '100.64.0.0', '100.127.255.255', '100.128.0.0'],
  ['126.255.255.255', '127.0.0.0', '127.255.255.255', '128.0.0.0'],
  ['168.63.129.15', '168.63.129.16', '168.63.129.16', '168.63.129.17'],
  ['169.253.255.255', '169.254.0.0', '169.254.255.255', '169.255.0.0'],
  ['172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0'],
  ['191.255.255.255', '192.0.0.0', '192.0.0.255', '192.0.1.0'],
  ['192.0.1.255', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
  ['192.88.98.255', '192.88.99.0', '192.88.99.255', '192.88.100.0'],
  ['192.167.255.255', '192.168.0.0', '192.168.255.255', '192.169.0.0'],
  ['198.17.255.255', '198.18.0.0', '198.19.255.255', '198.20.0.0'],
  ['198.51.99.255', '198.51.100.0', '198.51.100.255', '198.51.101.0'],
  ['203.0.112.255', '203.0.113.0', '203.0.113.255', '203.0.114.0'],
  ['223.255.255.255', '224.0.0.0', '255.255.255.255', ''],
  ['', '::', '1fff:ffff::', '2003::'],
  ['', '2001::', '2001:1ff:ffff::', '2001:200::'],
  ['2001:db7:ffff::', '2001:db8::', '2001:db8:ffff::', '2001:db9::'],
  ['2001:ffff::', '2002::', '2002:ffff::', '2003::'],
  ['3ffe:ffff::', '3fff::', '3fff:fff:ffff::', ''],
  ['', '4000::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', ''],
];

describe('isPublic', () => {
  it.each(EDGES)(
    'holds for %s, not from %s to %s, and again for %s',
    (before, first, last, after) => {
      for (const text of [before, after].filter((edge) => edge !== '')) {
        expect([text, isPublic(parseAddress(text)!)]).toEqual([text, true]);
      }
      for (const text of [first, last]) {
        expect([text, isPublic(parseAddress(text)!)]).toEqual([text, false]);
      }
    },
  );

  it.each([
    ['::ffff:10.0.0.5', false],
    ['::ffff:8.8.8.8', true],
    ['::127.0.0.1', false],
    ['64:ff9b::8.8.8.8', false],
    ['64:ff9b:1::a9fe:a9fe', false],
    ['2002:7f00:1::', false],
    ['5f00::1', false],
    ['2606:4700:4700::1111', true],
  ])('looks at the address that %s carries: %s', (text, expected) => {
    expect(isPublic(parseAddress(text)!)).toBe(expected);
  });
});

describe('parseAddress', () => {
  it.each(['example.com', '127.1', '0x7f000001', 'fe80::1%eth0', '1.2.3.4.5', '', '[::1]'])(
    'takes %s for no address',
    (text) => expect(parseAddress(text)).toBeUndefined(),
  );

  it('reads every spelling of an IPv6 address as the same number', () => {
    const texts = ['::1', '0:0:0:0:0:0:0:1', '0000::0001', '0::1', '::0:1'];
    expect(new Set(texts.map((text) => parseAddress(text)!.bits))).toEqual(new Set([1n]));
  });
});

describe('parseCidrs', () => {
  it('reads ranges and single addresses between commas and spaces', () => {
    const cidrs = parseCidrs('10.1.0.0/16, fd00::/8 127.0.0.1,');
    const covers = (text: string): boolean =>
      cidrs.some((cidr) => cidrContains(cidr, parseAddress(text)!));
    expect(['10.1.255.255', 'fd12::1', '127.0.0.1', '::ffff:10.1.0.1'].map(covers)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['10.2.0.0', 'fe00::1', '127.0.0.2'].map(covers)).toEqual([false, false, false]);
  });

  it('lets /0 cover a whole family', () => {
    expect(cidrContains(parseCidr('0.0.0.0/0'), parseAddress('255.1.2.3')!)).toBe(true);
  });

  it.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    'host/8',
    '10.0.0.0/8/8',
    '::/129',
    '10.0.0.0/-1',
  ])('refuses %s and names it', (text) =>
    expect(() => parseCidrs(text)).toThrow(`"${text}" is not a CIDR`),
  );
});
