import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

import { Secret, withinRanges, type ApiToken, type NewToken } from '@trailpush/core';

/** A token as it is handed out: `tp_<id>_<256 random bits in base64url><CRC-32 of all before, hex>`. */
const TOKEN = /^(tp_([0-9a-f]{32})_[\w-]{43})([0-9a-f]{8})$/;

/** Makes a token. Only its hash is to be kept: the text cannot be had again. */
export function mintToken(spec: Omit<NewToken, 'id' | 'hash'>): {
  readonly token: NewToken;
  readonly text: Secret;
} {
  const id = randomBytes(16).toString('hex');
  const unchecked = `tp_${id}_${randomBytes(32).toString('base64url')}`;
  const text = `${unchecked}${checksum(unchecked)}`;
  return { token: { ...spec, id, hash: digest(text) }, text: new Secret(text) };
}

/** The id in a token; undefined when it is no token of ours, or was mistyped. */
export function tokenId(text: string): string | undefined {
  const [, unchecked = '', id, sum] = TOKEN.exec(text) ?? [];
  return sum === checksum(unchecked) ? id : undefined;
}

/** Takes the same time whatever the two have in common. `hash` is SHA-256. */
export function isHashOf(text: string, hash: Uint8Array): boolean {
  return timingSafeEqual(digest(text), hash);
}

export function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

/** True while a token may be used from this address. */
export function isUsable(token: ApiToken, nowMs: number, address: string): boolean {
  if (token.revokedAtMs !== null) return false;
  if (token.notBeforeMs !== null && nowMs < token.notBeforeMs) return false;
  if (token.expiresAtMs !== null && nowMs >= token.expiresAtMs) return false;
  const { allowedAddresses } = token;
  // A socket that listens on both families shows IPv4 in its mapped form.
  return allowedAddresses.length === 0 || withinRanges(allowedAddresses)(address);
}
