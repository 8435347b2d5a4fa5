import { isIPv4, isIPv6 } from 'node:net';

import { ConfigError } from '@trailpush/core';

/** An IP address as a number. IPv4-mapped IPv6 (`::ffff:0:0/96`) is the IPv4 address that it carries. */
export interface Address {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

/** A range of addresses. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly prefixLength: number;
}

/**
 * Every range of IPv4 that is not public: IANA's special-purpose registry, multicast, class E, and the
 * metadata address of Azure, which lies outside all of them.
 */
const NOT_PUBLIC_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map(parseCidr);

/** Public IPv6 lies here, and nowhere else: NAT64, 6to4's relatives, ULA, link-local are all outside. */
const GLOBAL_UNICAST_IPV6 = parseCidr('2000::/3');
const NOT_PUBLIC_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map(parseCidr);

/** Undefined when `text` is no plain IP address (a zone such as `%eth0` is none). */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, bits: ipv4Bits(text) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const bits = ipv6Bits(text);
  return bits >> 32n === 0xffffn ? { family: 4, bits: bits & 0xffff_ffffn } : { family: 6, bits };
}

function ipv4Bits(text: string): bigint {
  return text.split('.').reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
}

function ipv6Bits(text: string): bigint {
  const lastColon = text.lastIndexOf(':');
  let hex = text;
  if (text.includes('.')) {
    const low = ipv4Bits(text.slice(lastColon + 1));
    hex = `${text.slice(0, lastColon + 1)}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const [head = '', tail] = hex.split('::');
  const groups = (part: string | undefined): string[] =>
    part === undefined || part === '' ? [] : part.split(':');
  const before = groups(head);
  const after = groups(tail);
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(zeros).fill('0'), ...after].reduce(
    (bits, group) => (bits << 16n) | BigInt(`0x${group}`),
    0n,
  );
}

/** @throws ConfigError */
export function parseCidr(text: string): Cidr {
  const [host = '', length, ...rest] = text.split('/');
  const address = parseAddress(host);
  const width = address?.family === 4 ? 32 : 128;
  const prefixLength = length === undefined ? width : Number(length);
  if (
    address === undefined ||
    rest.length > 0 ||
    (length !== undefined && !/^\d{1,3}$/.test(length)) ||
    prefixLength > width
  ) {
    throw new ConfigError(`"${text}" is not a CIDR such as 10.1.0.0/16 or fd00::/8`);
  }
  const shift = BigInt(width - prefixLength);
  return { family: address.family, base: (address.bits >> shift) << shift, prefixLength };
}

/** CIDRs or single addresses, separated by commas or spaces. @throws ConfigError */
export function parseCidrs(text: string): Cidr[] {
  return text
    .split(/[\s,]+/)
    .filter((item) => item !== '')
    .map(parseCidr);
}

export function cidrContains(cidr: Cidr, address: Address): boolean {
  if (cidr.family !== address.family) return false;
  const shift = BigInt((cidr.family === 4 ? 32 : 128) - cidr.prefixLength);
  return cidr.base >> shift === address.bits >> shift;
}

/** True for addresses of the public internet. */
export function isPublic(address: Address): boolean {
  const within = (cidr: Cidr): boolean => cidrContains(cidr, address);
  return address.family === 4
    ? !NOT_PUBLIC_IPV4.some(within)
    : within(GLOBAL_UNICAST_IPV6) && !NOT_PUBLIC_IPV6.some(within);
}
