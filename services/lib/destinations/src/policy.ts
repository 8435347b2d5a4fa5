import { networkInterfaces } from 'node:os';

import type { Secret } from '@trailpush/core';

import { type Address, type Cidr, cidrContains, isPublic, parseAddress } from './address.ts';
import { invalidConf } from './conf.ts';

/** What the operator allows destinations to be. */
export interface DestinationPolicy {
  /** Ranges that may be reached besides public addresses (`TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS`). */
  readonly allowPrivate: readonly Cidr[];
  /** Absolute folder below which `file://` destinations lie (`TRAILPUSH_FILE_ROOT`); undefined: none. */
  readonly fileRoot: string | undefined;
  /** JSON key of the service account for `gs://` without credentials (`TRAILPUSH_GOOGLE_KEY_FILE`). */
  readonly googleKey?: Secret | undefined;
}

/** Which addresses a connection of one destination may be made to. */
export interface AddressRule {
  readonly allowPrivate: readonly Cidr[];
  /** True for plain `http://`, unverified TLS and local names: only `allowPrivate` counts. */
  readonly privateOnly: boolean;
}

/** Where a destination connects to, checked as far as that goes without asking DNS. */
export interface NetworkTarget {
  /** Normalised by the WHATWG parser. */
  readonly url: URL;
  readonly rule: AddressRule;
  /** False: the certificate is not checked. Only with `rule.privateOnly`. */
  readonly verified: boolean;
}

export const PRIVATE_HINT =
  'destinations must be on the public internet; an operator can allow private ranges with TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS';

/** Ports at which something that is no web server listens and might take a request for a command. */
const BLOCKED_HIGH_PORTS: ReadonlySet<number> = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
  6679, 6697, 10080,
]);

/**
 * True when a connection may be made there. This machine's own addresses count as private: what listens
 * beside us trusts what comes from here.
 */
export function ruleAllows(
  rule: AddressRule,
  address: Address,
  own: readonly Address[] = ownAddresses(),
): boolean {
  if (rule.allowPrivate.some((cidr) => cidrContains(cidr, address))) return true;
  return !rule.privateOnly && isPublic(address) && !own.some((each) => isSame(each, address));
}

/** Asked anew each time, since addresses come and go. */
export function ownAddresses(): Address[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address }) => parseAddress(address) ?? []);
}

function isSame(one: Address, other: Address): boolean {
  return one.family === other.family && one.bits === other.bits;
}

/**
 * Parses the address of a destination, once, and judges scheme, host and port.
 * @param what names the part of the conf in errors, such as `endpoint`
 * @throws InvalidDestinationError
 */
export function parseTarget(
  text: string,
  what: string,
  policy: DestinationPolicy,
  { unverified = false }: { readonly unverified?: boolean } = {},
): NetworkTarget {
  const authority = /^https?:\/\/([^/?#]*)/i.exec(text)?.[1] ?? '';
  if (authority === '') throw invalidConf(`${what} has no host`);
  if (authority.includes('@')) {
    throw invalidConf(
      `${what} holds a user name or password: send credentials as header_Authorization`,
    );
  }
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalidConf(`${what} is not a valid URL`);
  }
  const plaintext = url.protocol === 'http:';
  if (plaintext && policy.allowPrivate.length === 0) {
    throw invalidConf(
      `${what} must use https://; http:// is only for ranges that an operator allows with TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS`,
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const rule = checkHost(host, { plaintext, unverified }, policy);
  if (!isPortAllowed(url, plaintext)) {
    throw invalidConf(
      `${what} has port ${url.port}: only 443 and ports from 1024 on that are not in other use are allowed`,
    );
  }
  return { url, rule, verified: !unverified };
}

function checkHost(
  host: string,
  { plaintext, unverified }: { readonly plaintext: boolean; readonly unverified: boolean },
  policy: DestinationPolicy,
): AddressRule {
  const { allowPrivate } = policy;
  const exposed = plaintext || unverified;
  const address = parseAddress(host);
  if (address !== undefined) {
    const rule = { allowPrivate, privateOnly: exposed };
    if (!ruleAllows(rule, address)) {
      throw invalidConf(
        exposed && isPublic(address)
          ? `${plaintext ? 'http://' : 'TLS without verification'} to ${host} is not allowed: use https:// with a trusted certificate`
          : `address ${host} ${isPublic(address) ? "is this machine's own" : 'is not public'}: ${PRIVATE_HINT}`,
      );
    }
    return rule;
  }
  const local = isLocalName(host);
  if (local && allowPrivate.length === 0) {
    throw invalidConf(`host ${host} is a local name: ${PRIVATE_HINT}`);
  }
  return { allowPrivate, privateOnly: exposed || local };
}

/** Names that never mean a host of the public internet (RFC 6761 and 9476, `.internal`, single labels). */
function isLocalName(host: string): boolean {
  const name = host.replace(/\.$/, '');
  return !name.includes('.') || /\.(?:localhost|local|internal|home\.arpa|alt|onion)$/.test(name);
}

function isPortAllowed(url: URL, plaintext: boolean): boolean {
  // The URL parser drops a scheme's default port.
  if (url.port === '') return true;
  const port = Number(url.port);
  return (!plaintext && port === 443) || (port >= 1024 && !BLOCKED_HIGH_PORTS.has(port));
}
